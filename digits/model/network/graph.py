"""Which layers of a network exist in which phase, and which of them make its output.

In: a NetParameter in the current (`layer`) format.  Out: answers about it; nothing is changed.
A network is seen in three states: TRAIN (phase TRAIN, stage "train"), VAL (phase TEST, stage "val")
and DEPLOY (phase TEST, stage "deploy"), so a layer's rules can limit it to any of them.

Elsewhere: what a rule means (the engine's `nets/rules.py`), what is made of a network for training
and for deployment (`training.py`, `deploy.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from digits.caffe.errors import NetError
from digits.caffe.nets import rules
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import (
    LayerParameter,
    NetParameter,
    NetState,
    TransformationParameter,
)
from digits.model.network.errors import NetworkError

TRAIN = NetState(phase=caffe_pb2.TRAIN, stage=["train"])
VAL = NetState(phase=caffe_pb2.TEST, stage=["val"])
DEPLOY = NetState(phase=caffe_pb2.TEST, stage=["deploy"])

# Losses that compare scores, one a class, with the number of the right class.
CLASSIFICATION_LOSSES = frozenset(
    {"SoftmaxWithLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss"}
)
# Those of them that apply softmax to their bottom themselves.
WITH_SOFTMAX = frozenset({"SoftmaxWithLoss", "InfogainLoss"})
# Layers that give as many channels as they get, so that the class scores pass through them.
PASS_THROUGH = frozenset(
    {
        *("AbsVal", "BNLL", "BatchNorm", "Bias", "Clip", "Crop", "Dropout", "ELU", "Eltwise"),
        *("Exp", "Flatten", "LRN", "Log", "MVN", "PReLU", "Pooling", "Power", "ReLU", "Reshape"),
        *("Scale", "Sigmoid", "Softmax", "Split", "Swish", "TanH", "Threshold"),
    }
)
# Layers that only hand on what they get when a network is used.
KEEPS_VALUES = frozenset({"Dropout", "Flatten", "Reshape", "Split"})
WITH_OUTPUT_COUNT = frozenset({"InnerProduct", "Convolution"})
WITH_WEIGHTS = frozenset(
    {
        *("BatchNorm", "Bias", "Convolution", "Deconvolution", "Embed", "InnerProduct", "LSTM"),
        *("PReLU", "Parameter", "RNN", "Scale"),
    }
)
INPUT_TYPES = frozenset({"Data", "Input"})
DEFAULT_LABEL = "label"


def is_included(layer: LayerParameter, state: NetState) -> bool:
    """Whether the layer exists in this state, by the engine's own rule.

    Raises NetworkError for a layer that has both include and exclude rules.
    """
    try:
        return rules.is_included(layer, state)
    except NetError as error:
        raise NetworkError(str(error), layer=layer.name) from error


def has_phase_rules_only(layer: LayerParameter) -> bool:
    """Whether a solver that sets no stages and levels reads the layer's rules as we do."""
    return not any(
        rule.stage or rule.not_stage or rule.HasField("min_level") or rule.HasField("max_level")
        for rule in (*layer.include, *layer.exclude)
    )


def layers_in(net: NetParameter, state: NetState) -> list[LayerParameter]:
    """The layers that exist in a state, in file order."""
    return [layer for layer in net.layer if is_included(layer, state)]


def check_names(net: NetParameter) -> None:
    """NetworkError where weights could not tell two layers of one state apart: they go by name."""
    for state in (TRAIN, VAL, DEPLOY):
        first: dict[str, tuple[int, LayerParameter]] = {}
        for number, layer in enumerate(net.layer, 1):
            if not is_included(layer, state):
                continue
            at, twin = first.setdefault(layer.name, (number, layer))
            if twin is not layer and WITH_WEIGHTS.intersection((layer.type, twin.type)):
                raise NetworkError(
                    f"Two layers are called {layer.name!r}: the layers number {at} ({twin.type}) "
                    f"and {number} ({layer.type}). Weights are kept by the names of their layers: "
                    "give one of the two another name.",
                    layer=layer.name,
                )


def is_loss(layer: LayerParameter) -> bool:
    """Whether the layer is there for its loss."""
    return layer.type.endswith("Loss") or any(layer.loss_weight)


def is_measure(layer: LayerParameter) -> bool:
    """Whether the layer only measures how good the network is: a loss or an accuracy."""
    return layer.type.endswith("Loss") or layer.type == "Accuracy"


def main_loss(layers: Sequence[LayerParameter]) -> LayerParameter | None:
    """The loss at the end of the main head, whose scores are the network's; None without any.

    One that compares with labels comes before all others; then the largest weight counts, since
    heads that only help the training weigh less; then whether an Accuracy measures the same
    scores; the last one of equals.
    """
    measured = {layer.bottom[0] for layer in layers if layer.type == "Accuracy" and layer.bottom}

    def importance(layer: LayerParameter) -> tuple[bool, bool, float, bool, bool]:
        return (
            layer.type in CLASSIFICATION_LOSSES,
            layer.type.endswith("Loss"),
            (*layer.loss_weight, 1.0)[0],
            layer.bottom[0] in measured,
            layer.type in WITH_SOFTMAX,
        )

    losses = [layer for layer in layers if is_loss(layer) and layer.bottom]
    return max(reversed(losses), key=importance, default=None)


def main_measures(net: NetParameter) -> tuple[str, str]:
    """The outputs in validation that say how good the network is: an accuracy and a loss.

    They are those of the main head; of its accuracies the one with the smallest top_k counts.
    Without an accuracy there, the last head with one.  Empty where there is none.
    """
    layers = [layer for layer in layers_in(net, VAL) if layer.top and layer.bottom]
    loss = main_loss([layer for layer in layers if is_measure(layer)])
    accuracies = [layer for layer in layers if layer.type == "Accuracy"]
    scores = _same_scores(layers, loss.bottom[0]) if loss else set()
    if not any(layer.bottom[0] in scores for layer in accuracies):
        scores = {layer.bottom[0] for layer in accuracies[-1:]}
    alike = [layer for layer in accuracies if layer.bottom[0] in scores]
    accuracy = min(alike, key=lambda layer: layer.accuracy_param.top_k, default=None)
    return accuracy.top[0] if accuracy else "", loss.top[0] if loss else ""


def _same_scores(layers: Iterable[LayerParameter], blob: str) -> set[str]:
    """`blob` and the blobs that a Softmax makes of it, or that it is made of."""
    softmax = [layer for layer in layers if layer.type == "Softmax"]
    read = {layer.bottom[0] for layer in softmax if blob in layer.top}
    return {blob} | read | {layer.top[0] for layer in softmax if blob in layer.bottom}


def input_side(net: NetParameter) -> int:
    """The side of the square pictures that the network is made for, in pixels; 0: it does not say.

    Its Data layers tell by their crop, or its input by its shape.
    """
    for layer in net.layer:
        if layer.type == "Data" and layer.transform_param.crop_size:
            return int(layer.transform_param.crop_size)
    shapes = [
        *net.input_shape[:1],
        *(each for layer in net.layer if layer.type == "Input" for each in layer.input_param.shape),
    ]
    dims = list(shapes[0].dim) if shapes else list(net.input_dim)
    return int(dims[2]) if len(dims) == 4 and dims[2] == dims[3] > 0 else 0


def transform_in_test(net: NetParameter) -> TransformationParameter:
    """What the data layer of a training does to pictures when the network is tested."""
    data = [layer for layer in net.layer if layer.type == "Data"]
    in_test = [layer for layer in data if is_included(layer, VAL)]
    # HDF5Data layers transform nothing.
    return next((layer.transform_param for layer in in_test or data), TransformationParameter())


def label_blobs(net: NetParameter) -> set[str]:
    """The names of the blobs that carry labels: all tops of data layers but the first."""
    found = {DEFAULT_LABEL} | set(net.input[1:])
    for layer in net.layer:
        if layer.type in INPUT_TYPES:
            found.update(layer.top[1:])
    return found


def dependents(layers: Iterable[LayerParameter], blobs: Iterable[str]) -> set[str]:
    """`blobs`, and all blobs that are computed from them by `layers` (in file order)."""
    found = set(blobs)
    for layer in layers:
        if found.intersection(layer.bottom):
            found.update(layer.top)
    return found


def output_layers(net: NetParameter) -> list[LayerParameter]:
    """The InnerProduct and Convolution layers whose output is the network's, in file order.

    That is: whose top reaches a classification loss or accuracy that takes the label, with nothing
    in between that changes the number of channels; and the layers that share their weights.  What
    nobody reads is no output, unless it is there for deployment alone.
    """
    labels = label_blobs(net)
    found: set[int] = set()
    for state in (TRAIN, VAL):
        numbers = [n for n, layer in enumerate(net.layer) if is_included(layer, state)]
        layers = [net.layer[n] for n in numbers]
        found.update(numbers[n] for n in _makers(layers, _score_blobs(layers, labels)))
    found = found or _deployed_makers(net)
    shared = {param.name for n in found for param in net.layer[n].param if param.name}
    return [
        layer
        for n, layer in enumerate(net.layer)
        if n in found
        or (
            layer.type in WITH_OUTPUT_COUNT
            and not shared.isdisjoint(param.name for param in layer.param)
        )
    ]


def head_layers(net: NetParameter) -> list[LayerParameter]:
    """The layers of `output_layers`, or where no loss compares classes, those before any loss."""
    found = output_layers(net)
    if found:
        return found
    labels = label_blobs(net)
    layers = layers_in(net, TRAIN)
    from_labels = dependents(layers, labels)
    reads = [
        (position, bottom)
        for position, layer in enumerate(layers)
        if is_loss(layer)
        for bottom in layer.bottom
        if bottom not in from_labels
    ]
    return [layers[position] for position in sorted(_makers(layers, reads))]


def is_deployed_only(layer: LayerParameter) -> bool:
    """Whether the layer exists neither in training nor in validation, but in what is deployed."""
    return is_included(layer, DEPLOY) and not (is_included(layer, TRAIN) or is_included(layer, VAL))


def unread(net: NetParameter) -> set[int]:
    """Numbers of the layers whose tops no later layer of any phase reads."""
    found: set[int] = set()
    read: set[str] = set()
    for number in reversed(range(len(net.layer))):
        if not read.intersection(net.layer[number].top):
            found.add(number)
        read.update(net.layer[number].bottom)
    return found


def _deployed_makers(net: NetParameter) -> set[int]:
    """Numbers of the layers that make what only the deployed network has as an output."""
    numbers = [n for n, layer in enumerate(net.layer) if is_included(layer, DEPLOY)]
    layers = [net.layer[n] for n in numbers]
    outputs = unread(net)
    reads = [
        (len(layers), top)
        for n in numbers
        if n in outputs and is_deployed_only(net.layer[n])
        for top in net.layer[n].top
    ]
    return {numbers[n] for n in _makers(layers, reads)}


# A blob as it is read at a position: the last layer before it with that top made it.
_Read = tuple[int, str]


def _score_blobs(layers: Sequence[LayerParameter], labels: set[str]) -> list[_Read]:
    """Where scores are compared with labels."""
    from_labels = dependents(layers, labels)
    return [
        (position, layer.bottom[0])
        for position, layer in enumerate(layers)
        if layer.type in CLASSIFICATION_LOSSES | {"Accuracy"}
        and from_labels.intersection(layer.bottom[1:])
    ]


def _makers(layers: Sequence[LayerParameter], reads: Iterable[_Read]) -> set[int]:
    """Positions of the layers with an output count from which the blobs come."""
    makers_of: dict[str, list[int]] = {}
    for position, layer in enumerate(layers):
        for top in layer.top:
            makers_of.setdefault(top, []).append(position)
    found: set[int] = set()
    to_visit, seen = list(reads), set(reads)
    while to_visit:
        position, blob = to_visit.pop()
        makers = makers_of.get(blob, [])
        nearest = bisect_left(makers, position) - 1
        if nearest < 0:
            continue
        maker = makers[nearest]
        if layers[maker].type in WITH_OUTPUT_COUNT:
            found.add(maker)
        elif layers[maker].type in PASS_THROUGH:
            new = {(maker, bottom) for bottom in layers[maker].bottom} - seen
            seen |= new
            to_visit += new
    return found
