"""BatchReindex, Filter, Parameter and DummyData.  See `digits/caffe/layers/items.py`."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from digits.caffe.export.graph import Graph, Place
from digits.caffe.export.registry import writes
from digits.caffe.layers.dummy_data import DummyDataLayer
from digits.caffe.layers.items import BatchReindex, Filter, Parameter


@writes("BatchReindex")
def batch_reindex(graph: Graph, layer: BatchReindex, at: Place) -> list[str]:
    """Items by their number."""
    index = graph.cast(at.bottoms[1].name, TensorProto.INT64)
    return [graph.op("Gather", at.bottom, index, axis=0)]


@writes("Filter")
def filter_(graph: Graph, layer: Filter, at: Place) -> list[str]:
    """The items whose selector is not 0."""
    *blobs, selector = at.bottoms
    if blobs[0].dims[0] is not None:
        raise layer.error(
            "cannot become ONNX: how many items are left is known when the model runs, and this "
            "net's batch size is not free."
        )
    flat = graph.reshape(selector.name, (None,))
    chosen = graph.op("Not", graph.op("Equal", flat, graph.number(0)))
    return [graph.op("Compress", blob.name, chosen, axis=0) for blob in blobs]


@writes("Parameter")
def parameter(graph: Graph, layer: Parameter, at: Place) -> list[str]:
    """A constant."""
    return [graph.weights(layer.params[0])]


@writes("DummyData")
def dummy_data(graph: Graph, layer: DummyDataLayer, at: Place) -> list[str]:
    """Constants; random numbers are refused, since the layer draws others in each pass."""
    fillers = list(layer.param.dummy_data_param.data_filler)
    random = next((f.type for f in fillers if f.type != "constant"), None)
    if random is not None:
        raise layer.error(
            f"cannot become ONNX: it fills its tops with random numbers ({random}). "
            "Put an Input layer in its place, or fill with constants."
        )
    values = [f.value for f in fillers] or [0.0]
    each = values if len(values) == len(at.tops) else values * len(at.tops)
    return [
        graph.constant(np.full([int(size or 0) for size in dims], value, np.float32))
        for dims, value in zip(at.tops, each, strict=True)
    ]
