"""Pooling and SPP with Caffe's windows.  See `digits/caffe/layers/pooling.py`.

Caffe rounds the number of windows up, and lets the last one reach beyond the padded plane.  ONNX's
`ceil_mode` and divisors are not Caffe's (and not the same in all programs), so the windows are made
by padding behind the plane as far as they reach.  AVE: ONNX divides by the kernel's size; where
Caffe divides by less, since it does not count what lies beyond the padding, a constant corrects it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from onnx import TensorProto

from digits.caffe.export.graph import Graph, Place
from digits.caffe.export.neuron import plus, times
from digits.caffe.export.registry import writes
from digits.caffe.layers.pooling import AVE, MAX, SPP, Grid, Pooling

_FLT_MAX = float(np.finfo(np.float32).max)
_FLT_MIN = float(np.finfo(np.float32).tiny)


@writes("Pooling")
def pooling(graph: Graph, layer: Pooling, at: Place) -> list[str]:
    """A second top of MAX holds the positions of the largest values."""
    if len(at.tops) == 2:
        return _max_with_positions(graph, at.bottom, layer.grid)
    return [_pooled(graph, at.bottom, layer.method, layer.grid)]


@writes("SPP")
def pyramid(graph: Graph, layer: SPP, at: Place) -> list[str]:
    """All levels, side by side."""
    method = layer.param.spp_param.pool
    levels = [_pooled(graph, at.bottom, method, grid) for grid in layer.grids]
    if len(levels) == 1:
        return levels
    return [graph.op("Concat", *(graph.op("Flatten", level, axis=1) for level in levels), axis=1)]


def _pooled(graph: Graph, bottom: str, method: int, grid: Grid) -> str:
    if method == MAX:
        return _max(graph, bottom, grid)
    if method == AVE:
        return _average(graph, bottom, grid)
    return _stochastic(graph, bottom, grid)


def _max(graph: Graph, bottom: str, grid: Grid) -> str:
    if grid.covers_all:
        return graph.op("GlobalMaxPool", bottom)
    if not _has_empty_windows(grid):
        return graph.op("MaxPool", bottom, **_windows(grid))
    padded = _padded(graph, bottom, grid, -np.inf)
    return _lowest_where_empty(graph, graph.op("MaxPool", padded, **_without_pads(grid)))


def _max_with_positions(graph: Graph, bottom: str, grid: Grid) -> list[str]:
    """ONNX counts positions through all planes of the batch, Caffe within one."""
    rows, columns = grid.rows, grid.columns
    if not _has_empty_windows(grid):
        top, found = graph.ops("MaxPool", [bottom], 2, **_windows(grid))
        found = graph.op("Mod", found, graph.whole(rows.size * columns.size))
        return [top, graph.cast(found, TensorProto.FLOAT)]
    height = rows.size + rows.pad + max(0, rows.overrun)
    width = columns.size + columns.pad + max(0, columns.overrun)
    padded = _padded(graph, bottom, grid, -np.inf)
    top, found = graph.ops("MaxPool", [padded], 2, **_without_pads(grid))
    found = graph.op("Mod", found, graph.whole(height * width))
    row = graph.op("Sub", graph.op("Div", found, graph.whole(width)), graph.whole(rows.pad))
    column = graph.op("Sub", graph.op("Mod", found, graph.whole(width)), graph.whole(columns.pad))
    found = graph.op("Add", graph.op("Mul", row, graph.whole(columns.size)), column)
    found = graph.cast(found, TensorProto.FLOAT)
    found = graph.op("Where", _is_empty(graph, top), graph.number(-1), found)
    return [_lowest_where_empty(graph, top), found]


def _average(graph: Graph, bottom: str, grid: Grid) -> str:
    if grid.covers_all:
        return graph.op("GlobalAveragePool", bottom)
    divisors = _divisors(grid)
    size = grid.kernel[0] * grid.kernel[1]
    mean = _full_mean(graph, bottom, grid)
    if (divisors == size).all():
        return mean
    with np.errstate(divide="ignore"):  # an empty window: 0 * inf is nan, as 0 / 0 in Caffe
        factors = (size / divisors).astype(np.float32)
    return graph.op("Mul", mean, graph.constant(factors))


def _stochastic(graph: Graph, bottom: str, grid: Grid) -> str:
    """In TEST: the mean weighted by the values."""
    size = grid.kernel[0] * grid.kernel[1]
    total = plus(graph, times(graph, _full_mean(graph, bottom, grid), size), _FLT_MIN)
    squares = _full_mean(graph, graph.op("Mul", bottom, bottom), grid)
    weighted = graph.op("Div", times(graph, squares, size), total)
    zero = graph.number(0)
    return graph.op("Where", graph.op("Greater", total, zero), weighted, zero)


def _full_mean(graph: Graph, bottom: str, grid: Grid) -> str:
    """The sum under each window, divided by the kernel's size."""
    geometry = _windows(grid)
    if _has_empty_windows(grid):
        bottom, geometry = _padded(graph, bottom, grid, 0.0), _without_pads(grid)
    return graph.op("AveragePool", bottom, count_include_pad=1, **geometry)


def _divisors(grid: Grid) -> np.ndarray:
    """What Caffe divides by, (1, 1, windows, windows)."""
    like = torch.zeros((), dtype=torch.float64)
    rows, columns = grid.rows.divisors(like), grid.columns.divisors(like)
    return (rows[:, None] * columns)[None, None].numpy()


def _windows(grid: Grid) -> dict[str, Any]:
    behind = [max(0, axis.overrun) for axis in (grid.rows, grid.columns)]
    return {**_without_pads(grid), "pads": [*grid.pad, *behind]}


def _without_pads(grid: Grid) -> dict[str, Any]:
    return {"kernel_shape": grid.kernel, "strides": grid.stride}


def _has_empty_windows(grid: Grid) -> bool:
    """Whether a window lies wholly outside: programs refuse padding as wide as the kernel."""
    return any(axis.overrun >= axis.kernel for axis in (grid.rows, grid.columns))


def _padded(graph: Graph, bottom: str, grid: Grid, value: float) -> str:
    behind = [max(0, axis.overrun) for axis in (grid.rows, grid.columns)]
    pads = graph.constant([0, 0, *grid.pad, 0, 0, *behind])
    return graph.op("Pad", bottom, pads, graph.number(value))


def _is_empty(graph: Graph, top: str) -> str:
    """Where the largest value is none: -inf, or what programs begin with."""
    return graph.op("LessOrEqual", top, graph.number(-_FLT_MAX))


def _lowest_where_empty(graph: Graph, top: str) -> str:
    return graph.op("Max", top, graph.number(-_FLT_MAX))
