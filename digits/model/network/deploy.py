"""From a network as trained to the one that classifies (`deploy.prototxt`).

In: the network with all its phases.  Out: the layers that lead from a picture to the confidence in
each label, behind an input of a fixed shape.  What only served training goes: data, labels, losses,
accuracies, and layers that fed nothing else.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from digits.caffe.proto.caffe_pb2 import BlobShape, LayerParameter, NetParameter
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.graph import DEPLOY

RESULT = "prob"
# Losses that apply softmax to their bottom themselves.
WITH_SOFTMAX = frozenset({"SoftmaxWithLoss", "InfogainLoss"})


def deploy_network(net: NetParameter, shape: tuple[int, int, int, int]) -> NetParameter:
    """The network for deployment, its input of the shape (1, channels, height, width).

    Raises NetworkError when nothing is left, or when the name of the result is taken.
    """
    blob = _input_blob(net)
    usable = _usable(net, blob)
    loss = _last_loss(net)
    result = _result_layer(net, loss, usable)
    layers = _with_result(net, loss, result, usable)
    _check(layers, result)
    return _assemble(net, blob, shape, layers)


def _assemble(
    net: NetParameter, blob: str, shape: tuple[int, int, int, int], layers: Iterable[LayerParameter]
) -> NetParameter:
    deploy = NetParameter(input=[blob], input_shape=[BlobShape(dim=shape)])
    if net.HasField("name"):
        deploy.name = net.name
    for layer in layers:
        copy = deploy.layer.add()
        copy.CopyFrom(layer)
        copy.ClearField("include")
        copy.ClearField("exclude")
    return deploy


def _input_blob(net: NetParameter) -> str:
    """The name of the pictures' blob."""
    layers = graph.layers_in(net, DEPLOY) + list(net.layer)
    of_inputs = [layer.top[0] for layer in layers if layer.type == "Input" and layer.top]
    of_data = [layer.top[0] for layer in layers if layer.type == "Data" and layer.top]
    named = [*net.input[:1], *of_inputs, *of_data]
    return next((blob for blob in named if blob != graph.DEFAULT_LABEL), "data")


def _usable(net: NetParameter, blob: str) -> set[int]:
    """Numbers of the layers that exist in DEPLOY, need no labels and measure nothing."""
    gone = graph.label_blobs(net) - {blob}
    found = set()
    for number, layer in enumerate(net.layer):
        if not graph.is_included(layer, DEPLOY) or layer.type in graph.INPUT_TYPES:
            continue
        if graph.is_measure(layer) or gone.intersection(layer.bottom):
            gone.update(set(layer.top) - set(layer.bottom))
        else:
            found.add(number)
    return found


def _last_loss(net: NetParameter) -> int | None:
    """The number of the loss that tells which blob the result is; None without any loss.

    The last one with softmax, else the last that compares with labels, else the last of any kind.
    """
    kinds: tuple[Container[str], ...] = (WITH_SOFTMAX, graph.CLASSIFICATION_LOSSES)
    for kind in kinds:
        numbers = [n for n, layer in enumerate(net.layer) if layer.type in kind and layer.bottom]
        if numbers:
            return numbers[-1]
    others = [n for n, layer in enumerate(net.layer) if layer.type.endswith("Loss")]
    return next((n for n in reversed(others) if net.layer[n].bottom), None)


def _result_layer(net: NetParameter, loss: int | None, usable: set[int]) -> LayerParameter | None:
    """The Softmax that takes the loss's place; None when the network has its own, or needs none."""
    if loss is None or net.layer[loss].type not in WITH_SOFTMAX:
        return None
    scores = net.layer[loss].bottom[0]
    unread = _unread(net)
    for number in usable:
        layer = net.layer[number]
        if layer.type == "Softmax" and list(layer.bottom) == [scores] and number in unread:
            return None
    if not any(scores in net.layer[number].top for number in usable):
        return None
    result = LayerParameter(name=RESULT, type="Softmax", bottom=[scores], top=[RESULT])
    if net.layer[loss].HasField("softmax_param"):
        result.softmax_param.CopyFrom(net.layer[loss].softmax_param)
    return result


def _unread(net: NetParameter) -> set[int]:
    """Numbers of the layers whose tops no later layer of any phase reads: outputs on purpose."""
    found: set[int] = set()
    read: set[str] = set()
    for number in reversed(range(len(net.layer))):
        if not read.intersection(net.layer[number].top):
            found.add(number)
        read.update(net.layer[number].bottom)
    return found


def _with_result(
    net: NetParameter, loss: int | None, result: LayerParameter | None, usable: set[int]
) -> list[LayerParameter]:
    """The usable layers in file order, the result in the loss's place, without dead ends.

    A dead end is a layer that only fed what is gone, such as the head of an auxiliary loss.
    """
    unread = _unread(net)
    kept: list[LayerParameter] = []
    needed = set() if loss is None else {net.layer[loss].bottom[0]}
    for number in reversed(range(len(net.layer))):
        layer = net.layer[number]
        if number == loss and result is not None:
            kept.append(result)
        elif number in usable and (number in unread or needed.intersection(layer.top)):
            kept.append(layer)
            needed.update(layer.bottom)
    return kept[::-1]


def _check(layers: Iterable[LayerParameter], result: LayerParameter | None) -> None:
    others = [layer for layer in layers if layer is not result]
    if not others:
        raise NetworkError(
            "Nothing is left of the network for deployment: no layer leads from the pictures to a "
            "loss that compares with their labels. Check the bottoms of the loss, and the "
            "include and exclude rules."
        )
    for layer in others:
        if result is not None and (layer.name == RESULT or RESULT in layer.top):
            raise NetworkError(
                f"Layer {layer.name!r} ({layer.type}) uses the name {RESULT!r}, which the deployed "
                "network needs for its result. Give the layer and its top another name, or limit "
                'it to training with `exclude { stage: "deploy" }`.',
                layer=layer.name,
            )
