"""Eltwise, Reduction and ArgMax.  See `digits/caffe/layers/arithmetic.py`."""

from __future__ import annotations

import functools

from onnx import TensorProto

from digits.caffe.export.graph import Graph, Place
from digits.caffe.export.neuron import times
from digits.caffe.export.registry import writes
from digits.caffe.layers.arithmetic import ArgMax, Eltwise, Reduction
from digits.caffe.proto import caffe_pb2

_ELTWISE = {
    caffe_pb2.EltwiseParameter.PROD: "Mul",
    caffe_pb2.EltwiseParameter.SUM: "Add",
    caffe_pb2.EltwiseParameter.MAX: "Max",
}
_REDUCTION = {
    caffe_pb2.ReductionParameter.SUM: "ReduceSum",
    caffe_pb2.ReductionParameter.ASUM: "ReduceL1",
    caffe_pb2.ReductionParameter.SUMSQ: "ReduceSumSquare",
    caffe_pb2.ReductionParameter.MEAN: "ReduceMean",
}
_TO_THE_FRONT = -(2**63) + 1  # where a slice backwards ends to have the first value too


@writes("Eltwise")
def eltwise(graph: Graph, layer: Eltwise, at: Place) -> list[str]:
    """One operator after the other, with the coefficients of SUM."""
    names = [value.name for value in at.bottoms]
    if layer.operation == caffe_pb2.EltwiseParameter.SUM:
        names = [times(graph, *each) for each in zip(names, layer.coeff, strict=True)]
    kind = _ELTWISE[layer.operation]
    return [functools.reduce(lambda left, right: graph.op(kind, left, right), names)]


@writes("Reduction")
def reduction(graph: Graph, layer: Reduction, at: Place) -> list[str]:
    """Over `axis` and all that follow."""
    field = layer.param.reduction_param
    axes = graph.constant(range(layer.axis, len(at.dims)))
    top = graph.op(_REDUCTION[field.operation], at.bottom, axes, keepdims=0)
    return [times(graph, top, field.coeff)]


@writes("ArgMax")
def arg_max(graph: Graph, layer: ArgMax, at: Place) -> list[str]:
    """TopK of the values in reverse: of equal ones it takes the first, Caffe the last."""
    over_items = layer.axis is None
    axis = 1 if layer.axis is None else layer.axis
    rows = graph.op("Flatten", at.bottom, axis=1) if over_items else at.bottom
    turned = graph.op("Slice", rows, *(graph.constant([n]) for n in (-1, _TO_THE_FRONT, axis, -1)))
    values, found = graph.ops("TopK", [turned, graph.constant([layer.top_k])], 2, axis=axis)
    length = graph.op("Gather", graph.op("Shape", rows), graph.whole(axis))
    last = graph.op("Sub", length, graph.whole(1))
    positions = graph.cast(graph.op("Sub", last, found), TensorProto.FLOAT)
    if not over_items:
        return [values if layer.values else positions]
    both = graph.op("Concat", positions, values, axis=1) if layer.values else positions
    return [graph.reshape(both, at.tops[0])]
