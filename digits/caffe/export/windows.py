"""Convolution, Deconvolution and Im2col.  See `digits/caffe/layers/convolution.py`.

ONNX has the same weights in the same order.  Its batch is one axis: where Caffe's `axis` is another
one, the axes before the channels are merged, and split again.  A net without spatial axes gets one
of length 1 for the operator.
"""

from __future__ import annotations

import math

import numpy as np

from digits.caffe.export.graph import Dims, Graph, Place
from digits.caffe.export.registry import writes
from digits.caffe.layers.convolution import Convolution, Deconvolution, Im2col


@writes("Convolution", "Deconvolution")
def convolution(graph: Graph, layer: Convolution | Deconvolution, at: Place) -> list[str]:
    """The same weights for each bottom."""
    return [
        _one(graph, layer, value.name, value.dims, top)
        for value, top in zip(at.bottoms, at.tops, strict=True)
    ]


def _one(
    graph: Graph, layer: Convolution | Deconvolution, bottom: str, dims: Dims, top: Dims
) -> str:
    kernel, stride = layer.kernel or (1,), layer.stride or (1,)
    pad, dilation = layer.pad or (0,), layer.dilation or (1,)
    is_convolution = layer.type == "Convolution"
    beyond = layer.overhang(_known(dims)) if is_convolution else ()
    behind = [p + more for p, more in zip(pad, beyond or (0,) * len(pad), strict=True)]
    is_plain = layer.axis == 1 and layer.spatial_axes > 0
    if not is_plain:
        spatial = dims[layer.axis + 1 :] or (1,)
        bottom = graph.reshape(bottom, (_merged(dims[: layer.axis]), layer.channels, *spatial))
    shape = (*layer.weight_shape()[:2], *kernel)
    inputs = [bottom, graph.weights(layer.params[0], shape)]
    inputs += [graph.weights(bias) for bias in layer.params[1:]]
    made = graph.op(
        "Conv" if is_convolution else "ConvTranspose", *inputs,
        kernel_shape=kernel, strides=stride, pads=[*pad, *behind], dilations=dilation,
        group=layer.group,
    )  # fmt: skip
    return made if is_plain else graph.reshape(made, top)


@writes("Im2col")
def im2col(graph: Graph, layer: Im2col, at: Place) -> list[str]:
    """Each value of the top is one of the padded bottom: where it lies is known beforehand."""
    axes, items = layer.spatial_axes, _merged(at.dims[: layer.axis])
    beyond = layer.overhang(_known(at.dims))
    sizes = [
        int(size or 0) + 2 * pad + more
        for size, pad, more in zip(at.dims[layer.axis + 1 :], layer.pad, beyond, strict=True)
    ]
    spatial = at.dims[layer.axis + 1 :]
    value = graph.reshape(at.bottom, (items, layer.channels, *spatial))
    behind = [pad + more for pad, more in zip(layer.pad, beyond, strict=True)]
    value = graph.op("Pad", value, graph.constant([0, 0, *layer.pad, 0, 0, *behind]))
    value = graph.reshape(value, (items, layer.channels, math.prod(sizes)))
    positions = _positions(layer, sizes, axes)
    return [graph.reshape(graph.op("Gather", value, graph.constant(positions), axis=2), at.tops[0])]


def _known(dims: Dims) -> tuple[int, ...]:
    """The sizes, 0 for the number of pictures, which is free."""
    return tuple(size or 0 for size in dims)


def _positions(layer: Im2col, sizes: list[int], axes: int) -> np.ndarray:
    """Flat positions in the padded plane, (window positions * windows)."""
    found = np.zeros([1] * (2 * axes), np.int64)
    for axis in range(axes):
        kernel, stride, dilation = layer.kernel[axis], layer.stride[axis], layer.dilation[axis]
        windows = (sizes[axis] - dilation * (kernel - 1) - 1) // stride + 1
        step = math.prod(sizes[axis + 1 :])
        inside = np.arange(kernel) * dilation * step
        starts = np.arange(windows) * stride * step
        found = found + inside.reshape([-1 if i == axis else 1 for i in range(2 * axes)])
        found = found + starts.reshape([-1 if i == axes + axis else 1 for i in range(2 * axes)])
    return found.reshape(-1)


def _merged(dims: Dims) -> int | None:
    """The length of these axes as one; None where it follows the batch size."""
    known = [size for size in dims if size is not None]
    return math.prod(known) if len(known) == len(dims) else None
