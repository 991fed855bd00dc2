"""A net that classifies as an ONNX model that takes a picture: one a run, of any size.

Input: `image`, uint8 (height, width, 3) in R,G,B.  Output: `probabilities`, float32 (categories);
`scores` where the net gives no probabilities.  The metadata say in JSON what the categories are
called and how the picture is prepared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto

from digits.caffe.errors import DataError, NetError
from digits.caffe.export.batch import set_batch, shapes_of
from digits.caffe.export.graph import Graph, Value
from digits.caffe.export.net import PathLike, open_net, write_layers
from digits.caffe.export.pictures import PADS_WITH_MEAN, Preparation, write_preparation
from digits.caffe.export.saving import Port, assemble
from digits.caffe.layers.pooling import AVE
from digits.caffe.net import Net
from digits.caffe.proto import caffe_pb2

IMAGE, PROBABILITIES, SCORES = "image", "probabilities", "scores"
_OF_PROBABILITIES = ("Softmax", "Sigmoid")
_KEEPS_VALUES = ("Dropout", "Flatten", "Reshape", "Split")


def export_classifier(
    network: PathLike | caffe_pb2.NetParameter,
    weights: PathLike | None,
    how: Preparation | None = None,
    *,
    labels: Sequence[str] = (),
    output: str = "",
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The model of a network and its weights; raises what `open_net` and `classifier_of` raise."""
    net = open_net(network, weights)
    try:
        return classifier_of(net, how, labels=labels, output=output, metadata=metadata)
    finally:
        net.close()


def classifier_of(
    net: Net,
    how: Preparation | None = None,
    *,
    labels: Sequence[str] = (),
    output: str = "",
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The model of an open net, whose batch size becomes 1.

    `how`: to the size of its input and no mean by default.  `output`: the blob with the scores;
    that of a Softmax unless given.  `metadata` goes into the model besides what is written there.
    Raises DataError where the pictures do not fit the net, LayerError for a layer that cannot be
    expressed, NetError for a net without one input of pictures.
    """
    shape = picture_shape(net)
    how = how or Preparation(shape[1], shape[2], shape[0])
    how.check(shape)
    set_batch(net, 1)
    return _model(net, how, shape, _output(net, output), labels, dict(metadata or {}))


def picture_shape(net: Net) -> tuple[int, int, int]:
    """The shape (channels, height, width) of the one input; NetError for another input."""
    if len(net.inputs) != 1:
        names = ", ".join(net.inputs) or "none"
        raise NetError(f"A net that takes pictures has one input. Its inputs: {names}.")
    shape = net.blobs[net.inputs[0]].shape
    if len(shape) != 4:
        raise NetError(
            f"The input {net.inputs[0]!r} must be of shape (n, channels, height, width). "
            f"It is {tuple(shape)}."
        )
    return shape[1], shape[2], shape[3]


def _model(
    net: Net,
    how: Preparation,
    shape: tuple[int, int, int],
    output: str,
    labels: Sequence[str],
    metadata: dict[str, str],
) -> onnx.ModelProto:
    graph = Graph()
    graph.claim(IMAGE)
    name = PROBABILITIES if _is_probability(net, output) else SCORES
    graph.claim(name)
    prepared = write_preparation(graph, IMAGE, how, shape)
    found = write_layers(net, graph, shapes_of(net), {net.inputs[0]: prepared})[output]
    classes = _classes(net, output)
    _write_scores(graph, found, classes, name)
    image = Port(IMAGE, ["height", "width", 3], TensorProto.UINT8)
    described = _described(net, how, shape, _labels(labels, classes), output)
    return assemble(graph, [image], [Port(name, [classes])], net.name, {**described, **metadata})


def description(
    net: Net, how: Preparation, *, labels: Sequence[str] = (), output: str = ""
) -> dict[str, str]:
    """The metadata of such a model, for one that leaves the preparation of pictures to others.

    Raises what `classifier_of` raises.
    """
    shape = picture_shape(net)
    how.check(shape)
    chosen = _output(net, output)
    return _described(net, how, shape, _labels(labels, _classes(net, chosen)), chosen)


def _classes(net: Net, output: str) -> int:
    shape = net.blobs[output].shape
    return shape[1] if len(shape) > 1 else 1


def _write_scores(graph: Graph, found: Value, classes: int, name: str) -> None:
    """(1, classes, ...) as (classes); of a score a place in the picture, the mean."""
    graph.scope = "scores"
    rows = graph.reshape(found.name, (classes, -1))
    graph.op("ReduceMean", rows, graph.constant([1]), keepdims=0)
    graph.nodes[-1].output[0] = name


def _output(net: Net, wanted: str) -> str:
    """The wanted output, else that of a Softmax, else the last one."""
    if wanted and wanted not in net.outputs:
        raise NetError(f"The net has no output {wanted!r}. Its outputs: {', '.join(net.outputs)}.")
    outputs = [wanted] if wanted else [n for n in net.outputs if n not in net.inputs]
    if not outputs:
        raise NetError("The net has no output.")
    of_softmax = [name for name in outputs if net.written_by(name)[0].type == "Softmax"]
    return (of_softmax or outputs)[-1]


def _is_probability(net: Net, blob: str) -> bool:
    """Whether a Softmax or Sigmoid made it, be it rearranged or averaged since."""
    for layer in reversed(net.engine_layers):
        if blob not in layer.param.top:
            continue
        if layer.type in _OF_PROBABILITIES:
            return True
        is_mean = layer.type == "Pooling" and layer.param.pooling_param.pool == AVE
        if not (is_mean or layer.type in _KEEPS_VALUES):
            return False
        blob = layer.param.bottom[0]
    return False


def _labels(labels: Sequence[str], classes: int) -> list[str]:
    """A label a category; one without is called by its number, as on the pages."""
    return [*labels[:classes], *(f"class {number}" for number in range(len(labels), classes))]


def _described(
    net: Net, how: Preparation, shape: tuple[int, int, int], labels: list[str], output: str
) -> dict[str, str]:
    beside = None
    if how.mode in PADS_WITH_MEAN:
        beside = "127.5" if how.mean is None else "mean"
    facts = {
        "labels": labels,
        "image": {
            "width": how.width,
            "height": how.height,
            "channels": how.channels,
            "resize_mode": how.mode,
            "padding": beside,  # the pages put noise there
        },
        "network_input": {"name": net.inputs[0], "shape": [1, *shape]},
        "network_output": output,
        "transform": {
            "channel_order": how.order if how.channels == 3 else "grey",
            "mean": None if how.mean is None else _mean_of_channels(how),
            "mean_is_picture": how.mean is not None and how.mean.shape[1:] != (1, 1),
            "scale": how.scale,
        },
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}


def _mean_of_channels(how: Preparation) -> list[float]:
    if how.mean is None:
        raise DataError("there is no mean")
    return [float(value) for value in how.mean.mean(axis=(1, 2))]
