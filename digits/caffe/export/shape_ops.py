"""The layers that only rearrange values.  See `digits/caffe/layers/shape_ops.py`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from digits.caffe.export.graph import Graph, Place
from digits.caffe.export.registry import writes
from digits.caffe.layers.base import Layer
from digits.caffe.layers.shape_ops import Concat, Crop, Slice, Tile

_TO_THE_END = 2**63 - 1


@writes("Concat")
def concat(graph: Graph, layer: Concat, at: Place) -> list[str]:
    return [graph.op("Concat", *(value.name for value in at.bottoms), axis=layer.axis)]


@writes("Slice")
def slice_(graph: Graph, layer: Slice, at: Place) -> list[str]:
    """At the slice points; evenly along an axis that follows the batch size."""
    if len(at.tops) == 1:
        return [at.bottom]
    if at.dims[layer.axis] is None and not layer.param.slice_param.slice_point:
        tops = len(at.tops)
        return graph.ops("Split", [at.bottom], tops, axis=layer.axis, num_outputs=tops)
    edges = [0, *accumulate(layer.sizes[:-1]), _TO_THE_END]
    return [
        cut(graph, at.bottom, [layer.axis], [start], [end])
        for start, end in zip(edges, edges[1:], strict=False)
    ]


@writes("Flatten", "Reshape")
def reshape(graph: Graph, layer: Layer, at: Place) -> list[str]:
    """The top's shape was worked out when the net was built."""
    return [graph.reshape(at.bottom, at.tops[0])]


@writes("Tile")
def tile(graph: Graph, layer: Tile, at: Place) -> list[str]:
    repeats = [1] * len(at.dims)
    repeats[layer.axis] = layer.param.tile_param.tiles
    return [graph.op("Tile", at.bottom, graph.constant(repeats))]


@writes("Crop")
def crop(graph: Graph, layer: Crop, at: Place) -> list[str]:
    """To the second bottom's size: known beforehand, but for what follows the batch size."""
    top, known = at.bottom, []
    for axis, start, size in layer.cuts:
        if at.dims[axis] is None:
            top = _cut_like(graph, top, axis, start, at.bottoms[1].name)
        elif (start, size) != (0, at.dims[axis]):
            known.append((axis, start, start + size))
    if not known:
        return [top]
    axes, starts, ends = zip(*known, strict=True)
    return [cut(graph, top, axes, starts, ends)]


def _cut_like(graph: Graph, value: str, axis: int, start: int, reference: str) -> str:
    """The value, from `start` on, with as many along an axis as another one has."""
    first, along = graph.constant([start]), graph.constant([axis])
    length = graph.op("Gather", graph.op("Shape", reference), along)
    return graph.op("Slice", value, first, graph.op("Add", first, length), along)


@writes("Silence")
def silence(graph: Graph, layer: Layer, at: Place) -> list[str]:
    return []


def cut(
    graph: Graph, value: str, axes: Sequence[int], starts: Sequence[int], ends: Sequence[int]
) -> str:
    """The value from `starts` to before `ends` along `axes`."""
    return graph.op("Slice", value, *(graph.constant([*each]) for each in (starts, ends, axes)))
