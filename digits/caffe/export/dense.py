"""InnerProduct and Embed.  See `digits/caffe/layers/dense.py`."""

from __future__ import annotations

from onnx import TensorProto

from digits.caffe.export.graph import Graph, Place
from digits.caffe.export.registry import writes
from digits.caffe.layers.dense import Embed, InnerProduct


@writes("InnerProduct")
def inner_product(graph: Graph, layer: InnerProduct, at: Place) -> list[str]:
    """Gemm over rows; the axes before `axis` are merged, and split again."""
    leading = len(layer.leading)
    bottom = at.bottom
    if leading != 1 or len(at.dims) != 2:
        bottom = (
            graph.op("Flatten", bottom, axis=leading)
            if leading <= 1
            else graph.reshape(bottom, (None, layer.inputs))
        )
    inputs = [bottom, graph.weights(layer.params[0])]
    inputs += [graph.weights(bias) for bias in layer.params[1:]]
    top = graph.op("Gemm", *inputs, transB=0 if layer.transpose else 1)
    return [top if leading == 1 else graph.reshape(top, at.tops[0])]


@writes("Embed")
def embed(graph: Graph, layer: Embed, at: Place) -> list[str]:
    """A row of the table for each index."""
    index = graph.cast(at.bottom, TensorProto.INT64)
    top = graph.op("Gather", graph.weights(layer.params[0]), index, axis=0)
    for bias in layer.params[1:]:
        top = graph.op("Add", top, graph.weights(bias))
    return [top]
