"""The layers that are a function of one value at a time.  See `digits/caffe/layers/neuron.py`."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from digits.caffe.export.graph import Graph, Place
from digits.caffe.export.registry import writes
from digits.caffe.layers.base import Layer
from digits.caffe.layers.neuron import Clip, PReLU, ReLU
from digits.caffe.layers.power import Exp, Log, Power

_SIMPLE = {"AbsVal": "Abs", "BNLL": "Softplus", "Sigmoid": "Sigmoid", "TanH": "Tanh"}


@writes(*_SIMPLE)
def simple(graph: Graph, layer: Layer, at: Place) -> list[str]:
    """Those that ONNX has under another name."""
    return [graph.op(_SIMPLE[layer.type], at.bottom)]


@writes("Dropout", "Split")
def handed_on(graph: Graph, layer: Layer, at: Place) -> list[str]:
    """The bottom itself, as often as there are tops."""
    return [at.bottom] * len(at.tops)


@writes("ReLU")
def relu(graph: Graph, layer: ReLU, at: Place) -> list[str]:
    """Relu, or LeakyRelu where there is a slope."""
    if layer.slope == 0:
        return [graph.op("Relu", at.bottom)]
    return [graph.op("LeakyRelu", at.bottom, alpha=layer.slope)]


@writes("PReLU")
def prelu(graph: Graph, layer: PReLU, at: Place) -> list[str]:
    """The slopes along the channels; a shared one is the same for all of them."""
    behind = [1] * (len(at.dims) - 2)
    shape = [1, *behind] if layer.shared else [layer.channels, *behind]
    return [graph.op("PRelu", at.bottom, graph.weights(layer.params[0], shape))]


@writes("ELU")
def elu(graph: Graph, layer: Layer, at: Place) -> list[str]:
    return [graph.op("Elu", at.bottom, alpha=layer.param.elu_param.alpha)]


@writes("Clip")
def clip(graph: Graph, layer: Clip, at: Place) -> list[str]:
    return [graph.op("Clip", at.bottom, graph.number(layer.low), graph.number(layer.high))]


@writes("Swish")
def swish(graph: Graph, layer: Layer, at: Place) -> list[str]:
    inner = times(graph, at.bottom, layer.param.swish_param.beta)
    return [graph.op("Mul", at.bottom, graph.op("Sigmoid", inner))]


@writes("Threshold")
def threshold(graph: Graph, layer: Layer, at: Place) -> list[str]:
    above = graph.op("Greater", at.bottom, graph.number(layer.param.threshold_param.threshold))
    return [graph.cast(above, TensorProto.FLOAT)]


@writes("Power")
def power(graph: Graph, layer: Power, at: Place) -> list[str]:
    """(shift + scale * x) ^ power; a constant where the bottom does not matter."""
    if layer.power * layer.scale == 0:
        with np.errstate(all="ignore"):
            value = np.power(np.float64(layer.shift), np.float64(layer.power))
        return [filled_like(graph, at.bottom, 1.0 if layer.power == 0 else float(value))]
    base = plus(graph, times(graph, at.bottom, layer.scale), layer.shift)
    if layer.power == 1:
        return [base]
    if layer.power == 2:
        return [graph.op("Mul", base, base)]
    return [graph.op("Pow", base, graph.number(layer.power))]


@writes("Exp")
def exp(graph: Graph, layer: Exp, at: Place) -> list[str]:
    inner = times(graph, at.bottom, layer.inner_scale)
    return [times(graph, graph.op("Exp", inner), layer.outer_scale)]


@writes("Log")
def log(graph: Graph, layer: Log, at: Place) -> list[str]:
    inner = plus(graph, times(graph, at.bottom, layer.scale), layer.shift)
    return [times(graph, graph.op("Log", inner), layer.factor)]


def times(graph: Graph, value: str, factor: float) -> str:
    """The value times a number."""
    return value if factor == 1 else graph.op("Mul", value, graph.number(factor))


def plus(graph: Graph, value: str, term: float) -> str:
    """The value plus a number."""
    return value if term == 0 else graph.op("Add", value, graph.number(term))


def filled_like(graph: Graph, value: str, number: float) -> str:
    """A number, as often as the value has some, in its shape."""
    return graph.op("Expand", graph.number(number), graph.op("Shape", value))
