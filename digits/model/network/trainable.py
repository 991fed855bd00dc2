"""Networks that are published for use alone, made ready to be trained.

In: a network without any loss, as a deploy.prototxt has it.  Out: the same with data layers, and
with a SoftmaxWithLoss and an Accuracy in the place of its final Softmax.
Elsewhere: what every network gets for its training (`training.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter, NetStateRule
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.graph import DEFAULT_LABEL, DEPLOY, KEEPS_VALUES, TRAIN
from digits.model.network.names import free_name, rename_afresh

# What makes an answer of scores; a loss takes the scores themselves.
ANSWERS = frozenset({"Softmax", "Sigmoid", "ArgMax"})


def has_loss(net: NetParameter) -> bool:
    """Whether there is something to learn from."""
    return any(graph.is_loss(layer) for layer in graph.layers_in(net, TRAIN))


def with_loss(given: NetParameter, *, afresh: bool = False) -> NetParameter:
    """The network with a loss, an accuracy and data layers; `given` itself when it has a loss.

    What such files leave out, since it makes no difference once weights are loaded, is added:
    fillers of weights (msra).  What they fix is left to the phase: the statistics of BatchNorm.
    Data layers cut the pictures to the size of the network's input.  `afresh`: published weights
    are loaded, and the classifier shall take none of them, since it knows other categories.
    Raises NetworkError for a network without an end.
    """
    if has_loss(given):
        return given
    net = NetParameter()
    net.CopyFrom(given)
    label = _new_blob(net, DEFAULT_LABEL)
    scores = _scores(net)
    end = _end(net, scores)
    kept = [layer for number, layer in enumerate(net.layer) if number not in end]
    result = NetParameter(name=net.name)
    result.layer.extend(_data_layers(net, label))
    result.layer.extend(layer for layer in kept if layer.type != "Input")
    for layer in result.layer:
        _make_trainable(layer)
    result.layer.extend(_measures(net, scores, label, end))
    if afresh:
        rename_afresh(result, {layer.name for layer in graph.head_layers(result)})
    return result


def _scores(net: NetParameter) -> str:
    """The blob that says how much speaks for each class, before it becomes an answer."""
    layers = graph.layers_in(net, DEPLOY)
    outputs = graph.unread(net)
    ends = [
        layer
        for number, layer in enumerate(net.layer)
        if number in outputs
        and layer.top
        and layer.bottom
        and layer.type not in ("Silence", "Accuracy")
        and graph.is_included(layer, DEPLOY)
    ]
    measured = [layer for layer in layers if layer.type == "Accuracy" and layer.bottom]
    blobs = [layer.top[0] for layer in ends] or [layer.bottom[0] for layer in measured]
    if not blobs:
        raise NetworkError(
            "The network has no end that a loss could be put to. Its last layer must give a score "
            "for each category, as an InnerProduct does."
        )
    answered = [scores for blob in blobs if (scores := _before_answer(layers, blob)) is not None]
    return (answered or blobs)[-1]


def _before_answer(layers: Sequence[LayerParameter], blob: str) -> str | None:
    """What the answer `blob` is made of, as an ArgMax of a Softmax; None when it is no answer."""
    scores = None
    for layer in reversed(layers):
        if blob not in layer.top:
            continue
        if layer.type not in ANSWERS | KEEPS_VALUES or not layer.bottom:
            break
        blob = layer.bottom[0]
        if layer.type in ANSWERS:
            scores = blob
    return scores


def _end(net: NetParameter, scores: str) -> set[int]:
    """Numbers of the layers that make answers of the scores, and of what is made of those."""
    made: set[str] = set()
    found: set[int] = set()
    for number, layer in enumerate(net.layer):
        is_answer = layer.type in ANSWERS and scores in layer.bottom
        if is_answer or made.intersection(layer.bottom):
            found.add(number)
            made.update(set(layer.top) - {scores})
    return found


def _data_layers(net: NetParameter, label: str) -> list[LayerParameter]:
    """One for each phase, which cut pictures to the input's size; none where there are some."""
    if any(layer.type == "Data" for layer in net.layer):
        return []
    inputs = [layer for layer in net.layer if layer.type == "Input" and layer.top]
    pictures = inputs[0].top[0] if inputs else "data"
    found = []
    for name, phase in (("train-data", caffe_pb2.TRAIN), ("val-data", caffe_pb2.TEST)):
        layer = LayerParameter(name=name, type="Data", top=[pictures, label])
        layer.include.append(NetStateRule(phase=phase))
        side = graph.input_side(net)
        if side:
            layer.transform_param.crop_size = side
        found.append(layer)
    return found


def _make_trainable(layer: LayerParameter) -> None:
    for kind, param in (
        ("Convolution", layer.convolution_param),
        ("Deconvolution", layer.convolution_param),
        ("InnerProduct", layer.inner_product_param),
    ):
        # Without a filler weights are zero, and a network of zeros learns nothing.
        if layer.type == kind and not param.HasField("weight_filler"):
            param.weight_filler.type = "msra"
    if layer.type == "BatchNorm":
        layer.batch_norm_param.ClearField("use_global_stats")


def _measures(
    net: NetParameter, scores: str, label: str, end: Collection[int]
) -> list[LayerParameter]:
    """The loss, and an accuracy where the network has none."""
    loss = LayerParameter(name=_new_name(net, "loss"), type="SoftmaxWithLoss")
    loss.bottom.extend([scores, label])
    loss.top.append(_new_blob(net, "loss"))
    for number in end:
        if net.layer[number].HasField("softmax_param"):
            loss.softmax_param.CopyFrom(net.layer[number].softmax_param)
    if any(layer.type == "Accuracy" for layer in net.layer):
        return [loss]
    accuracy = LayerParameter(name=_new_name(net, "accuracy"), type="Accuracy")
    accuracy.bottom.extend([scores, label])
    accuracy.top.append(_new_blob(net, "accuracy"))
    accuracy.include.append(NetStateRule(phase=caffe_pb2.TEST))
    if loss.softmax_param.HasField("axis"):
        accuracy.accuracy_param.axis = loss.softmax_param.axis
    return [loss, accuracy]


def _new_name(net: NetParameter, name: str) -> str:
    return free_name(name, {layer.name for layer in net.layer})


def _new_blob(net: NetParameter, name: str) -> str:
    made = {top for layer in net.layer for top in layer.top if layer.type not in graph.INPUT_TYPES}
    return free_name(name, made)
