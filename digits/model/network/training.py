"""From a network as given to the one that is trained on a dataset (`train_val.prototxt`).

In: a NetParameter in the current format, facts of the dataset, and the form's options.
Out: the two networks of a training job, and the batch sizes that its solver needs.  Nothing is
read from disk: paths are only written into the network.

Elsewhere: what is left for deployment (`deploy.py`), the solver (`model/training/solver.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import (
    DataParameter,
    LayerParameter,
    NetParameter,
    NetState,
    NetStateRule,
)
from digits.errors import FormError
from digits.model.network import graph, hdf5
from digits.model.network.deploy import deploy_network
from digits.model.network.errors import NetworkError
from digits.model.network.fine_tune import HEAD_LR_MULT, choose_what_learns
from digits.model.network.graph import TRAIN, VAL
from digits.model.network.names import rename_afresh
from digits.model.network.trainable import has_loss
from digits.model.network.whitening import add_whitening

DEFAULT_BATCH_SIZE = 16
MAX_BATCH_SIZE = 100_000
REFUSED_DATA_TYPES = ("MemoryData", "HDF5Data", "ImageData", "WindowData")


@dataclass(frozen=True)
class DatasetFacts:
    """What a network must know of its dataset; sizes in pixels, paths as the network names them.

    `train_db` and `val_db` are databases, or of the backend hdf5 the lists of their files.
    """

    labels: int
    channels: int
    height: int
    width: int
    train_db: str
    val_db: str | None
    mean_file: str | None
    backend: str = "lmdb"


@dataclass(frozen=True)
class NetworkOptions:
    """The form's fields that change the network; None leaves it to the network."""

    batch_size: int | None = None
    crop_size: int | None = None
    use_mean: bool = True
    # Whether training sees half of the pictures mirrored.
    mirror: bool | None = None
    # What pixels are multiplied by, after the mean.
    scale: float | None = None
    # One mean a channel, in B,G,R order, or one for all.
    mean_values: tuple[float, ...] = ()
    # Whether weights of an earlier training are loaded, and all outputs shall start afresh.
    retrain: bool = False
    # What learns (`fine_tune.py`), and how much faster the last layer does; empty: as it is given.
    fine_tune: str = ""
    head_lr_mult: float = HEAD_LR_MULT
    # Whether layers may run Python code of the server.
    python_layers: bool = False
    # Whether a layer brings each picture to mean 0 and standard deviation 1.
    whitening: bool = False

    @property
    def asked(self) -> frozenset[str]:
        """The fields by which the form itself asks for a transformation."""
        given = {"crop_size": self.crop_size, "mirror": self.mirror, "scale": self.scale}
        return frozenset(name for name, value in given.items() if value is not None)


@dataclass(frozen=True)
class Networks:
    """What a training job is made of; `val_batch_size` is None without a validation set."""

    train_val: NetParameter
    deploy: NetParameter
    train_batch_size: int
    val_batch_size: int | None
    accuracies: tuple[str, ...]  # the tops of the Accuracy layers
    output: str = ""  # the blob of `deploy` that says what is on a picture
    mean_weights: hdf5.MeanWeights | None = None  # what the training begins with besides


def make_networks(given: NetParameter, facts: DatasetFacts, options: NetworkOptions) -> Networks:
    """The networks that train `given` on a dataset and use the result; `given` is not changed.

    Raises NetworkError for what the network cannot do, FormError for options that do not fit it.
    """
    net = NetParameter()
    net.CopyFrom(given)
    net.ClearField("state")
    _check(net, options.python_layers)
    _check_crop(options.crop_size, facts)
    _check_mean(options, facts)
    _fit_to_labels(net, facts.labels, options.retrain)
    choose_what_learns(net, options.fine_tune, options.head_lr_mult)
    train, val = _data_layers(net, facts, options)
    crop_size = (val or train).transform_param.crop_size
    data_layers = [train, *([val] if facts.val_db else [])]
    if options.whitening:
        add_whitening(net, [layer.top[0] for layer in data_layers])
    mean_weights = None
    if facts.backend == hdf5.BACKEND:
        shape = (facts.channels, facts.height, facts.width)
        data_layers, mean_weights = hdf5.fit_to_hdf5(net, data_layers, shape, options.asked)
    # Before the stages are settled for training, which changes the layers' rules.
    deployed = deploy_network(net, _deploy_shape(facts, crop_size))
    train_val = _train_val(net, data_layers)
    return Networks(
        train_val=train_val,
        deploy=deployed.net,
        output=deployed.output,
        train_batch_size=train.data_param.batch_size,
        val_batch_size=val.data_param.batch_size if facts.val_db else None,
        accuracies=tuple(
            top
            for layer in graph.layers_in(train_val, VAL)
            if layer.type == "Accuracy"
            for top in layer.top
        ),
        mean_weights=mean_weights,
    )


def as_given(train_val: NetParameter) -> NetParameter:
    """The network of a training as one would have given it to the form: without its dataset."""
    given = NetParameter()
    given.CopyFrom(train_val)
    for layer in given.layer:
        if layer.type == "Data":
            layer.data_param.ClearField("source")
            layer.data_param.ClearField("backend")
            layer.transform_param.ClearField("mean_file")
    return given


def _check(net: NetParameter, python_layers: bool) -> None:
    for layer in net.layer:
        _check_reach(layer, python_layers)
        if layer.type in REFUSED_DATA_TYPES:
            raise NetworkError(
                f"Layer {layer.name!r} has the type {layer.type}, which would read something else "
                "than the dataset. Remove it, or make it a Data layer without source and backend.",
                layer=layer.name,
            )
    if not has_loss(net):
        raise NetworkError(
            "The network has no loss layer in the TRAIN phase, so there is nothing to learn. "
            "Networks that are published for use alone have none: choose “Add a loss” (add_loss) "
            "to put a SoftmaxWithLoss and an Accuracy in the place of the final Softmax. Or add "
            'one yourself, such as `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "..." '
            'bottom: "label" top: "loss" }`.'
        )


def _check_reach(layer: LayerParameter, python_layers: bool) -> None:
    """Refuse a layer that would reach out of the job: into files, or into other code."""
    problem = ""
    if layer.type == "HDF5Output":
        problem = "has the type HDF5Output, which would write files on the server. Remove it."
    elif layer.infogain_loss_param.source:
        problem = (
            "names the file of a matrix on the server. Give the matrix as a third bottom instead."
        )
    elif layer.type == "Python" and not python_layers:
        problem = (
            "has the type Python, which runs code of the server. Remove it, or ask whoever runs "
            "the server for the setting python_layers."
        )
    if problem:
        raise NetworkError(f"Layer {layer.name!r} {problem}", layer=layer.name)


def _check_crop(crop_size: int | None, facts: DatasetFacts) -> None:
    if crop_size is not None and crop_size > min(facts.height, facts.width):
        raise FormError(
            {
                "crop_size": [
                    f"The crop size {crop_size} is larger than the dataset's pictures "
                    f"({facts.width}x{facts.height}). Choose at most "
                    f"{min(facts.height, facts.width)}, or leave it empty."
                ]
            }
        )


def _check_mean(options: NetworkOptions, facts: DatasetFacts) -> None:
    count = len(options.mean_values)
    if count and options.use_mean:
        raise FormError(
            {
                "mean_value": [
                    "Mean values cannot be subtracted beside the mean file. Leave one of them out."
                ]
            }
        )
    if count not in (0, 1, facts.channels):
        raise FormError(
            {
                "mean_value": [
                    f"{count} mean values do not fit pictures with {facts.channels} channels. Give "
                    "one value, or one a channel (in the order blue, green, red)."
                ]
            }
        )


# The output --------------------------------------------------------------------------------------


def _fit_to_labels(net: NetParameter, labels: int, retrain: bool) -> None:
    """Give the output layers one output a label, drop accuracies that make no sense."""
    resized = []
    for layer in graph.output_layers(net):
        if _set_output_count(layer, labels):
            resized.append(layer.name)
    if retrain:
        heads = (layer.name for layer in graph.head_layers(net))
        rename_afresh(net, {*resized, *heads})
    kept = [
        layer
        for layer in net.layer
        if layer.type != "Accuracy" or layer.accuracy_param.top_k < labels
    ]
    _set_layers(net, kept)


def _set_output_count(layer: LayerParameter, labels: int) -> bool:
    """Set `num_output`; whether that changed it."""
    param = layer.inner_product_param if layer.type == "InnerProduct" else layer.convolution_param
    changed = param.num_output != labels
    param.num_output = labels
    return changed


# The input ---------------------------------------------------------------------------------------


def _data_layers(
    net: NetParameter, facts: DatasetFacts, options: NetworkOptions
) -> tuple[LayerParameter, LayerParameter]:
    """The Data layers of the TRAIN and VAL phases, filled in."""
    given_train, given_val = _given_data(net, TRAIN, "TRAIN"), _given_data(net, VAL, "TEST")
    train = _data_layer(given_train or given_val, net, "train-data")
    val = _data_layer(given_val or given_train, net, "val-data")
    if given_val is None:
        val.transform_param.ClearField("mirror")
    if options.mirror is not None:
        train.transform_param.mirror = options.mirror
    for layer, other in ((train, val), (val, train)):
        batch_size = layer.data_param.batch_size or other.data_param.batch_size
        layer.data_param.batch_size = options.batch_size or batch_size or DEFAULT_BATCH_SIZE
        _check_batch_size(layer)
        _fill_transform(layer, facts, options)
        layer.data_param.backend = DataParameter.LMDB
    train.data_param.source = facts.train_db
    val.data_param.source = facts.val_db or ""
    _set_rule(train, caffe_pb2.TRAIN)
    _set_rule(val, caffe_pb2.TEST)
    return train, val


def _given_data(net: NetParameter, state: NetState, phase: str) -> LayerParameter | None:
    found = [layer for layer in graph.layers_in(net, state) if layer.type == "Data"]
    if len(found) > 1:
        names = " and ".join(repr(layer.name) for layer in found)
        raise NetworkError(
            f"The phase {phase} has {len(found)} Data layers: {names}. Keep one, or limit each to "
            f"another phase with `include {{ phase: {phase} }}`.",
            layer=found[1].name,
        )
    if found and len(found[0].top) != 2:
        raise NetworkError(
            f"The Data layer {found[0].name!r} has {len(found[0].top)} tops; it needs two, for the "
            'pictures and their labels: `top: "data" top: "label"`.',
            layer=found[0].name,
        )
    return found[0] if found else None


def _data_layer(given: LayerParameter | None, net: NetParameter, name: str) -> LayerParameter:
    layer = LayerParameter()
    if given is None:
        layer.name, layer.type = name, "Data"
        layer.top.extend([_input_blob(net), graph.DEFAULT_LABEL])
    else:
        layer.CopyFrom(given)
    return layer


def _input_blob(net: NetParameter) -> str:
    """The name of the pictures' blob in a network without Data layers."""
    inputs = [
        *net.input,
        *(top for layer in net.layer if layer.type == "Input" for top in layer.top),
    ]
    return next((blob for blob in inputs if blob != graph.DEFAULT_LABEL), "data")


def _check_batch_size(layer: LayerParameter) -> None:
    if layer.data_param.batch_size > MAX_BATCH_SIZE:
        raise NetworkError(
            f"The Data layer {layer.name!r} asks for batches of {layer.data_param.batch_size} "
            f"pictures; at most {MAX_BATCH_SIZE} are possible.",
            layer=layer.name,
        )


def _fill_transform(layer: LayerParameter, facts: DatasetFacts, options: NetworkOptions) -> None:
    transform = layer.transform_param
    if options.crop_size is not None:
        transform.crop_size = options.crop_size
    elif transform.crop_size:
        transform.crop_size = min(transform.crop_size, facts.height, facts.width)
    if options.scale is not None:
        transform.scale = options.scale
    transform.ClearField("mean_file")
    if options.use_mean and facts.mean_file is not None:
        # Caffe takes a mean file or mean values, not both.
        transform.ClearField("mean_value")
        transform.mean_file = facts.mean_file
    elif options.mean_values:
        transform.mean_value[:] = options.mean_values
    _check_given_mean(layer, facts)


def _check_given_mean(layer: LayerParameter, facts: DatasetFacts) -> None:
    """Mean values that stand in the network itself must fit the dataset as well."""
    count = len(layer.transform_param.mean_value)
    if count not in (0, 1, facts.channels):
        raise NetworkError(
            f"The Data layer {layer.name!r} has {count} mean values, but the dataset's pictures "
            f"have {facts.channels} channels. Keep one, or as many as there are channels.",
            layer=layer.name,
        )


def _deploy_shape(facts: DatasetFacts, crop_size: int) -> tuple[int, int, int, int]:
    return (1, facts.channels, crop_size or facts.height, crop_size or facts.width)


# train_val.prototxt ------------------------------------------------------------------------------


def _train_val(net: NetParameter, data_layers: Sequence[LayerParameter]) -> NetParameter:
    result = NetParameter()
    result.CopyFrom(net)
    for field in ("input", "input_shape", "input_dim"):
        result.ClearField(field)
    layers = list(data_layers)
    data_blobs = {top for layer in data_layers for top in layer.top}
    for layer in net.layer:
        is_input = layer.type == "Input" and data_blobs.intersection(layer.top)
        if layer.type != "Data" and not is_input and _keep_in_phases(layer):
            layers.append(layer)
    _set_layers(result, layers)
    return result


def _keep_in_phases(layer: LayerParameter) -> bool:
    """Whether the layer belongs to training or validation; its rules then speak of phases only.

    A solver that any Caffe runs sets no stages, so stages are settled here.
    """
    if graph.has_phase_rules_only(layer):
        return True
    in_train, in_val = graph.is_included(layer, TRAIN), graph.is_included(layer, VAL)
    layer.ClearField("include")
    layer.ClearField("exclude")
    if in_train != in_val:
        _set_rule(layer, caffe_pb2.TRAIN if in_train else caffe_pb2.TEST)
    return in_train or in_val


def _set_rule(layer: LayerParameter, phase: caffe_pb2.Phase) -> None:
    """Limit a layer to one phase."""
    layer.ClearField("include")
    layer.ClearField("exclude")
    layer.include.append(NetStateRule(phase=phase))


def _set_layers(net: NetParameter, layers: Sequence[LayerParameter]) -> None:
    copies = [LayerParameter() for _ in layers]
    for copy, layer in zip(copies, layers, strict=True):
        copy.CopyFrom(layer)
    net.ClearField("layer")
    net.layer.extend(copies)
