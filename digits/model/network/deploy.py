"""From a network as trained to the one that classifies (`deploy.prototxt`).

In: the network with all its phases.  Out: the layers that lead from a picture to the confidence in
each label, behind an input of a fixed shape.  What only served training goes: data, labels, losses,
accuracies, and layers that fed nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from digits.caffe.proto.caffe_pb2 import (
    BlobShape,
    LayerParameter,
    NetParameter,
    PoolingParameter,
)
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.graph import DEPLOY, KEEPS_VALUES, WITH_SOFTMAX

RESULT = "prob"
# What gives probabilities.
OF_PROBABILITIES = frozenset({"Softmax", "Sigmoid"})


@dataclass(frozen=True)
class Output:
    """The blob that says what is on a picture, and whether its values are probabilities, 0 to 1."""

    name: str
    is_probability: bool


@dataclass(frozen=True)
class Deployed:
    """A network for deployment, and the name of its result."""

    net: NetParameter
    output: str


def deploy_network(net: NetParameter, shape: tuple[int, int, int, int]) -> Deployed:
    """The network for deployment, its input of the shape (1, channels, height, width).

    Its result is that of the main head.  What nobody reads is left out, unless it is there for
    deployment alone (`include { stage: "deploy" }`).
    Raises NetworkError when nothing is left, or when the name of the result is taken.
    """
    blob = _input_blob(net)
    usable = _usable(net, blob)
    made = {top for number in usable for top in net.layer[number].top}
    loss = _main_loss(net, made)
    output, softmax = _result(net, loss, usable, made)
    layers = _leading_to(net, output, loss, softmax, usable)
    _check(layers, softmax)
    deploy = _assemble(net, blob, shape, layers)
    return Deployed(deploy, output_of(deploy, output).name)


def output_of(deploy: NetParameter, name: str = "") -> Output:
    """The result of a deployed network: the output `name`, or of several that of a Softmax.

    NetworkError when it has no output.
    """
    ends = [deploy.layer[number] for number in sorted(graph.unread(deploy))]
    outputs = {top for layer in ends for top in layer.top}
    if name not in outputs:
        of_softmax = {top for layer in ends if layer.type == "Softmax" for top in layer.top}
        if not outputs:
            raise NetworkError("The network has no output.")
        # Files of several outputs were made by others, and pycaffe sorts the names.
        name = max(of_softmax or outputs)
    return Output(name, _is_probability(deploy.layer, name))


def _is_probability(layers: Sequence[LayerParameter], blob: str) -> bool:
    for layer in reversed(layers):
        if blob not in layer.top:
            continue
        if layer.type in OF_PROBABILITIES:
            return True
        is_mean = layer.type == "Pooling" and layer.pooling_param.pool == PoolingParameter.AVE
        if not (is_mean or layer.type in KEEPS_VALUES) or not layer.bottom:
            return False
        blob = layer.bottom[0]
    return False


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


def _main_loss(net: NetParameter, made: set[str]) -> LayerParameter | None:
    """The loss whose scores the network can still make without labels."""
    layers = [layer for layer in net.layer if layer.type == "Accuracy" or made & set(layer.bottom)]
    return graph.main_loss(layers)


def _result(
    net: NetParameter, loss: LayerParameter | None, usable: set[int], made: set[str]
) -> tuple[str, LayerParameter | None]:
    """The name of the result, and the Softmax that takes the loss's place to make it.

    None where the network has its own Softmax, or the loss takes its bottom as it is.
    """
    if loss is None:
        return _last_end(net, usable), None
    scores = next(bottom for bottom in loss.bottom if bottom in made)
    unread = graph.unread(net)
    for number in sorted(usable & unread, reverse=True):
        layer = net.layer[number]
        if layer.type == "Softmax" and list(layer.bottom) == [scores]:
            return layer.top[0], None
    if loss.type not in WITH_SOFTMAX:
        return scores, None
    softmax = LayerParameter(name=RESULT, type="Softmax", bottom=[scores], top=[RESULT])
    if loss.HasField("softmax_param"):
        softmax.softmax_param.CopyFrom(loss.softmax_param)
    if loss.infogain_loss_param.HasField("axis"):
        softmax.softmax_param.axis = loss.infogain_loss_param.axis
    return RESULT, softmax


def _last_end(net: NetParameter, usable: set[int]) -> str:
    """Without a loss that tells: what the last layer for deployment makes, else the last of all."""
    ends = [n for n in sorted(usable) if net.layer[n].top]
    deployed = [n for n in ends if graph.is_deployed_only(net.layer[n])]
    return next((net.layer[n].top[0] for n in reversed(deployed or ends)), "")


def _leading_to(
    net: NetParameter,
    output: str,
    loss: LayerParameter | None,
    softmax: LayerParameter | None,
    usable: set[int],
) -> list[LayerParameter]:
    """The usable layers that the result comes from, in file order, the Softmax in the loss's place.

    With them what only the deployed network has.
    """
    unread = graph.unread(net)
    kept: list[LayerParameter] = []
    needed = set(softmax.bottom) if softmax is not None else {output}
    for number in reversed(range(len(net.layer))):
        layer = net.layer[number]
        if layer is loss and softmax is not None:
            kept.append(softmax)
        wanted = number in unread and graph.is_deployed_only(layer)
        if number in usable and (wanted or needed.intersection(layer.top)):
            kept.append(layer)
            needed.update(layer.bottom)
    return kept[::-1]


def _check(layers: Iterable[LayerParameter], softmax: LayerParameter | None) -> None:
    others = [layer for layer in layers if layer is not softmax]
    if not others:
        raise NetworkError(
            "Nothing is left of the network for deployment: no layer leads from the pictures to a "
            "loss that compares with their labels. Check the bottoms of the loss, and the "
            "include and exclude rules."
        )
    for layer in others:
        if softmax is not None and (layer.name == RESULT or RESULT in layer.top):
            raise NetworkError(
                f"Layer {layer.name!r} ({layer.type}) uses the name {RESULT!r}, which the deployed "
                "network needs for its result. Give the layer and its top another name, or limit "
                'it to training with `exclude { stage: "deploy" }`.',
                layer=layer.name,
            )
