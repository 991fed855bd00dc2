"""LRN, BatchNorm, MVN, Scale, Bias and Softmax.  See the modules of `digits/caffe/layers`."""

from __future__ import annotations

import numpy as np

from digits.caffe.export.graph import Graph, Place, Value
from digits.caffe.export.neuron import plus, times
from digits.caffe.export.registry import writes
from digits.caffe.layers.batch_norm import BatchNorm
from digits.caffe.layers.lrn import LRN
from digits.caffe.layers.mvn import MVN
from digits.caffe.layers.scale_bias import Bias, Scale
from digits.caffe.layers.softmax import Softmax


@writes("LRN")
def lrn(graph: Graph, layer: LRN, at: Place) -> list[str]:
    """Across channels ONNX's own; within them, and where ONNX refuses a sign, by its formula."""
    if not layer.within and layer.alpha > 0 and layer.beta > 0:
        return [
            graph.op(
                "LRN", at.bottom, size=layer.size, alpha=layer.alpha, beta=layer.beta, bias=layer.k
            )
        ]
    squares = graph.op("Mul", at.bottom, at.bottom)
    means = (
        _means_within(graph, squares, layer) if layer.within else _across(graph, squares, at, layer)
    )
    start = 1.0 if layer.within else layer.k
    base = plus(graph, times(graph, means, layer.alpha), start)
    return [graph.op("Mul", at.bottom, graph.op("Pow", base, graph.number(-layer.beta)))]


def _means_within(graph: Graph, squares: str, layer: LRN) -> str:
    """The means over windows; zeros of the padding count."""
    half = (layer.size - 1) // 2
    return graph.op(
        "AveragePool", squares, kernel_shape=[layer.size] * 2, pads=[half] * 4, count_include_pad=1
    )


def _across(graph: Graph, squares: str, at: Place, layer: LRN) -> str:
    """The means over neighbouring channels, as windows over a plane of channels and pixels."""
    items, channels, height, width = at.dims
    half = (layer.size - 1) // 2
    plane = graph.reshape(squares, (items, 1, channels, int(height or 0) * int(width or 0)))
    means = graph.op(
        "AveragePool", plane, kernel_shape=[layer.size, 1], pads=[half, 0, half, 0],
        count_include_pad=1,
    )  # fmt: skip
    return graph.reshape(means, at.dims)


@writes("BatchNorm")
def batch_norm(graph: Graph, layer: BatchNorm, at: Place) -> list[str]:
    """By the running statistics, each divided by their common divisor; else by the batch's own."""
    if not layer.global_stats:
        return [_by_the_batch(graph, layer, at)]
    mean, variance = (tensor.cpu().numpy() for tensor in layer.global_statistics())
    ones = graph.constant(np.ones(layer.channels, np.float32))
    zeros = graph.constant(np.zeros(layer.channels, np.float32))
    return [
        graph.op(
            "BatchNormalization", at.bottom, ones, zeros,
            graph.constant(mean, "mean"), graph.constant(variance, "variance"), epsilon=layer.eps,
        )
    ]  # fmt: skip


def _by_the_batch(graph: Graph, layer: BatchNorm, at: Place) -> str:
    axes = [axis for axis in range(len(at.dims)) if axis != 1]
    centred = _less_mean(graph, at.bottom, axes)
    variance = _mean(graph, graph.op("Mul", centred, centred), axes)
    return graph.op("Div", centred, graph.op("Sqrt", plus(graph, variance, layer.eps)))


@writes("MVN")
def mvn(graph: Graph, layer: MVN, at: Place) -> list[str]:
    """Over a plane or an item of the four old axes; eps is added to the deviation."""
    field = layer.param.mvn_param
    axes = [1, 2, 3] if field.across_channels else [2, 3]
    has_four = len(at.dims) == len(at.tops[0]) and not layer.in_place
    bottom = at.bottom if has_four else graph.reshape(at.bottom, at.tops[0])
    centred = _less_mean(graph, bottom, axes)
    if not field.normalize_variance:
        return [centred]
    deviation = graph.op("Sqrt", _mean(graph, graph.op("Mul", centred, centred), axes))
    return [graph.op("Div", centred, plus(graph, deviation, field.eps))]


@writes("Scale")
def scale(graph: Graph, layer: Scale, at: Place) -> list[str]:
    """The factors are the second bottom or the first parameter; the bias is a parameter."""
    factors, bias = _small(graph, layer, at)
    top = graph.op("Mul", at.bottom, factors)
    return [graph.op("Add", top, bias) if bias else top]


@writes("Bias")
def bias(graph: Graph, layer: Bias, at: Place) -> list[str]:
    return [graph.op("Add", at.bottom, _small(graph, layer, at)[0])]


@writes("Softmax")
def softmax(graph: Graph, layer: Softmax, at: Place) -> list[str]:
    return [graph.op("Softmax", at.bottom, axis=layer.axis)]


def _small(graph: Graph, layer: Scale | Bias, at: Place) -> tuple[str, str]:
    """The smaller blob and the bias ("" for none), with axes of 1 behind for broadcasting."""
    params = list(layer.params)
    axes = len(at.dims)

    def behind(small: int) -> int:
        return axes - layer.axis % axes - small if small else 0

    if len(at.bottoms) > 1:
        first = _with_axes_behind(graph, at.bottoms[1], behind(len(at.bottoms[1].dims)))
    else:
        tensor = params.pop(0)
        first = graph.weights(tensor, [*tensor.shape, *[1] * behind(tensor.dim())])
    if not params:
        return first, ""
    return first, graph.weights(params[0], [*params[0].shape, *[1] * behind(params[0].dim())])


def _with_axes_behind(graph: Graph, value: Value, count: int) -> str:
    if not count:
        return value.name
    first = len(value.dims)
    return graph.op("Unsqueeze", value.name, graph.constant(range(first, first + count)))


def _mean(graph: Graph, value: str, axes: list[int]) -> str:
    return graph.op("ReduceMean", value, graph.constant(axes), keepdims=1)


def _less_mean(graph: Graph, value: str, axes: list[int]) -> str:
    return graph.op("Sub", value, _mean(graph, value, axes))
