"""What of a network learns: its last layer, its last blocks, or everything.

In: a network, and a choice.  Out: the same network with other `lr_mult` and `decay_mult`, so that
every Caffe trains it the same.  A BatchNorm that does not learn keeps the statistics of the file
(`use_global_stats`), and one that learns goes by its batches.
Elsewhere: the weights that it begins with (`pretrained.py`, `training/given_weights.py`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter
from digits.model.network import graph
from digits.model.network.hdf5 import MEAN_LAYER

HEAD, LAST_BLOCKS, ALL = "head", "last_blocks", "all"
# By the words that scripts send, and how pages call it; empty: as suits the network.
TITLES = {
    "": "As suits the network",
    HEAD: "Only the last layer (seconds)",
    LAST_BLOCKS: "The last blocks (minutes)",
    ALL: "Everything (hours)",
}
HEAD_LR_MULT = 10.0
# What most of a network's time goes into: its blocks are counted by these.
MAIN_TYPES = frozenset({"Convolution", "Deconvolution", "Embed", "InnerProduct", "LSTM", "RNN"})
# One in so many of them, from the end, is in the last blocks.
LAST_SHARE = 3
# Bottoms of recurrent layers before those of a state that is handed in.
_STATES = {"LSTM": 2, "RNN": 1}


def choose_what_learns(net: NetParameter, choice: str, head_lr_mult: float) -> None:
    """Have only the chosen part of the network learn, its heads `head_lr_mult` times as fast.

    Nothing changes where nothing was chosen.
    """
    if not choice:
        return
    heads = {layer.name for layer in graph.head_layers(net)}
    learning = set(_learning(net, choice, heads))
    for number, layer in enumerate(net.layer):
        if layer.name == MEAN_LAYER or not _may_learn(layer):
            continue
        if number not in learning:
            _freeze(layer)
            continue
        _thaw(layer)
        if layer.name in heads:
            _hasten(layer, head_lr_mult)


def parameter_count(layer: LayerParameter) -> int:
    """How many parameters a layer of a type with weights has."""
    one_bottom = int(len(layer.bottom) <= 1)
    match layer.type:
        case "Convolution" | "Deconvolution":
            return 1 + layer.convolution_param.bias_term
        case "InnerProduct":
            return 1 + layer.inner_product_param.bias_term
        case "Embed":
            return 1 + layer.embed_param.bias_term
        case "Scale":
            return one_bottom + layer.scale_param.bias_term
        case "Bias":
            return one_bottom
        case "BatchNorm":
            return 3
        case "PReLU" | "Parameter":
            return 1
        case "LSTM" | "RNN":
            return _recurrent_count(layer)
    return len(layer.param)


def _recurrent_count(layer: LayerParameter) -> int:
    states = _STATES[layer.type] if layer.recurrent_param.expose_hidden else 0
    has_static_input = len(layer.bottom) > 2 + states
    return {"LSTM": 3, "RNN": 5}[layer.type] + has_static_input


def _may_learn(layer: LayerParameter) -> bool:
    """Whether the layer has parameters; of a Python layer nobody but its author knows."""
    return layer.type in graph.WITH_WEIGHTS or (layer.type == "Python" and bool(layer.param))


def _learning(net: NetParameter, choice: str, heads: Collection[str]) -> Iterator[int]:
    """Numbers of the layers that learn."""
    first = {ALL: 0, HEAD: len(net.layer)}.get(choice)
    if first is None:
        main = [n for n, layer in enumerate(net.layer) if layer.type in MAIN_TYPES]
        first = main[-math.ceil(len(main) / LAST_SHARE)] if main else 0
    for number, layer in enumerate(net.layer):
        if number >= first or layer.name in heads:
            yield number


def _freeze(layer: LayerParameter) -> None:
    _complete(layer, parameter_count(layer))
    for spec in layer.param:
        spec.lr_mult = spec.decay_mult = 0
    if layer.type == "BatchNorm":
        layer.batch_norm_param.use_global_stats = True


def _thaw(layer: LayerParameter) -> None:
    """Let a layer learn that was told not to."""
    if layer.type == "BatchNorm":
        layer.batch_norm_param.ClearField("use_global_stats")
        return  # its parameters are statistics, which no solver changes
    if layer.param and not any(spec.lr_mult for spec in layer.param):
        for number, spec in enumerate(layer.param):
            spec.lr_mult, spec.decay_mult = 1, 0 if number else 1


def _hasten(layer: LayerParameter, factor: float) -> None:
    _complete(layer, parameter_count(layer))
    for spec in layer.param:
        spec.lr_mult *= factor


def _complete(layer: LayerParameter, count: int) -> None:
    """Give each parameter a `param`, so that none is left at what Caffe takes for missing ones."""
    while len(layer.param) < count:
        layer.param.add(lr_mult=1)
