"""Pillow's bilinear filter, bit for bit, at four times its speed.

Pillow spends most of its time on the pass along the rows, one number after the other.  Here some
rows at a time are turned into columns that fit the processor's nearest cache, so that both passes
multiply whole vectors; the arithmetic (22-bit weights, 8 bits between the passes) is Pillow's own.
Source: precompute_coeffs, normalize_coeffs_8bpc, ImagingResampleHorizontal_8bpc in Resample.c.

Importing this module loads a compiler (numba: 0.3 s and 60 MB, and some seconds the first time on
a machine), so it is for programs that scale many pictures; others use `resize.pillow_scale`.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Function = TypeVar("Function", bound=Callable[..., None])
# First source pixel, number of source pixels and their weights, for each target pixel.
Coefficients = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]

_PRECISION_BITS = 22
_HALF = 1 << (_PRECISION_BITS - 1)  # rounds to the nearest
# Bytes of a column of a tile: 16 rows of colour or 64 of grey.  500 columns take 32 kB.
_LANES = 64
# Pictures of one data set often have few sizes, and a network's input has one.
_REMEMBERED_SIZES = 4096

_READABLE = numba.types.Array(numba.uint8, 2, "C", readonly=True)
_WRITABLE = numba.types.Array(numba.uint8, 2, "C")
_INTEGERS = numba.int64[::1]
_PASS = numba.void(_READABLE, _INTEGERS, _INTEGERS, numba.int32[:, ::1], _WRITABLE)


def fast_scale(picture: Pixels, height: int, width: int) -> Pixels:
    """Scale H x W x C, uint8, to height x width x C; equal to `resize.pillow_scale`."""
    rows, _, channels = picture.shape
    lines = np.ascontiguousarray(picture).reshape(rows, -1)
    # The rounding between the passes makes their order matter; this is how Pillow 13 chooses it.
    rows_gone, columns_gone = rows - height, picture.shape[1] - width
    if rows_gone > 0 and rows_gone > 2 * columns_gone:
        lines = _with_columns(_with_rows(lines, height), width, channels)
    else:
        lines = _with_rows(_with_columns(lines, width, channels), height)
    return lines.reshape(height, width, channels)


def _with_columns(lines: Pixels, width: int, channels: int) -> Pixels:
    """H x (W * C) as H x (width * C)."""
    columns = lines.shape[1] // channels
    if columns == width:
        return lines
    scaled = np.empty((len(lines), width * channels), np.uint8)
    scale_rows = _scale_colour_rows if channels == 3 else _scale_grey_rows
    scale_rows(lines, *_coefficients(columns, width), scaled)
    return scaled


def _with_rows(lines: Pixels, height: int) -> Pixels:
    """H x anything as height x anything."""
    if len(lines) == height:
        return lines
    scaled = np.empty((height, lines.shape[1]), np.uint8)
    _scale_columns(lines, *_coefficients(len(lines), height), scaled)
    return scaled


@contextlib.contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Make imports of `module` fail in this block, unless it has been imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # Python's own mark of what is not there
    try:
        yield
    finally:
        del sys.modules[module]


# Numba looks whether SciPy's linear algebra is there, which takes longer than all else here.
with _hidden("scipy.linalg"):
    import numba.np.arraymath


def _compiled(signature: object) -> Callable[[Function], Function]:
    """Compile a function when the module is imported, from the cache if it can be kept."""

    def decorate(function: Function) -> Function:
        try:
            return cast(Function, numba.njit(signature, cache=True, nogil=True)(function))
        except RuntimeError:  # there is no folder that the cache could be written to
            return cast(Function, numba.njit(signature, nogil=True)(function))

    return decorate


@numba.njit(inline="always")
def _scale_tile(
    tile: Pixels,
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    weights: NDArray[np.int32],
    scaled: Pixels,
) -> None:
    """Scale each column of a tile, W x _LANES."""
    sums = np.empty(_LANES, np.int32)
    for x in range(len(first)):
        sums[:] = _HALF
        for i in range(count[x]):
            weight, column = weights[x, i], tile[first[x] + i]
            for lane in range(_LANES):
                sums[lane] += np.int32(column[lane]) * weight
        line = scaled[x]
        for lane in range(_LANES):
            line[lane] = np.uint8(sums[lane] >> _PRECISION_BITS)


@_compiled(_PASS)
def _scale_colour_rows(
    source: Pixels,
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    weights: NDArray[np.int32],
    target: Pixels,
) -> None:
    """Scale each row of H x (W * 3).

    In a tile a pixel has four bytes, the last of them meaningless, so that it is moved at once: the
    compiler makes one step of four neighbouring bytes.
    """
    height, columns, width = source.shape[0], source.shape[1] // 3, len(first)
    tile = np.empty((columns, _LANES), np.uint8)
    scaled = np.empty((width, _LANES), np.uint8)
    tile_pixels, scaled_pixels = tile.view(np.uint32), scaled.view(np.uint32)
    for top in range(0, height, _LANES // 4):
        rows = min(_LANES // 4, height - top)
        for y in range(rows):
            line = source[top + y]
            for x in range(columns - 1):
                tile_pixels[x, y] = (
                    np.uint32(line[3 * x])
                    | np.uint32(line[3 * x + 1]) << np.uint32(8)
                    | np.uint32(line[3 * x + 2]) << np.uint32(16)
                    | np.uint32(line[3 * x + 3]) << np.uint32(24)
                )
            for c in range(3):
                tile[columns - 1, 4 * y + c] = line[3 * (columns - 1) + c]
        _scale_tile(tile, first, count, weights, scaled)
        for y in range(rows):
            line = target[top + y]
            for x in range(width - 1):
                pixel = scaled_pixels[x, y]
                line[3 * x] = np.uint8(pixel)
                line[3 * x + 1] = np.uint8(pixel >> np.uint32(8))
                line[3 * x + 2] = np.uint8(pixel >> np.uint32(16))
                line[3 * x + 3] = np.uint8(pixel >> np.uint32(24))
            for c in range(3):
                line[3 * (width - 1) + c] = scaled[width - 1, 4 * y + c]


@_compiled(_PASS)
def _scale_grey_rows(
    source: Pixels,
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    weights: NDArray[np.int32],
    target: Pixels,
) -> None:
    """Scale each row of H x W."""
    height, columns, width = source.shape[0], source.shape[1], len(first)
    tile = np.empty((columns, _LANES), np.uint8)
    scaled = np.empty((width, _LANES), np.uint8)
    for top in range(0, height, _LANES):
        rows = min(_LANES, height - top)
        for y in range(rows):
            for x in range(columns):
                tile[x, y] = source[top + y, x]
        _scale_tile(tile, first, count, weights, scaled)
        for y in range(rows):
            for x in range(width):
                target[top + y, x] = scaled[x, y]


@_compiled(_PASS)
def _scale_columns(
    source: Pixels,
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    weights: NDArray[np.int32],
    target: Pixels,
) -> None:
    """Scale each column of H x anything."""
    width = source.shape[1]
    sums = np.empty(width, np.int32)
    for y in range(len(first)):
        sums[:] = _HALF
        for i in range(count[y]):
            weight, row = weights[y, i], source[first[y] + i]
            for x in range(width):
                sums[x] += np.int32(row[x]) * weight
        for x in range(width):
            target[y, x] = np.uint8(sums[x] >> _PRECISION_BITS)


@lru_cache(_REMEMBERED_SIZES)
def _coefficients(source: int, target: int) -> Coefficients:
    """Which pixels of a row of `source` make each pixel of a row of `target`, and their weights."""
    scale = source / target
    support = max(scale, 1.0)  # a triangle of one source pixel, or of one target pixel if larger
    first = np.zeros(target, np.int64)
    count = np.zeros(target, np.int64)
    weights = np.zeros((target, 2 * math.ceil(support) + 1), np.int32)
    _fill_coefficients(source, scale, support, first, count, weights)
    return first, count, weights


@_compiled(
    numba.void(numba.int64, numba.float64, numba.float64, _INTEGERS, _INTEGERS, numba.int32[:, ::1])
)
def _fill_coefficients(
    source: int,
    scale: float,
    support: float,
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    weights: NDArray[np.int32],
) -> None:
    triangle = np.empty(weights.shape[1], np.float64)
    for x in range(len(first)):
        centre = (x + 0.5) * scale
        start = max(0, int(centre - support + 0.5))
        end = min(source, int(centre + support + 0.5))
        total = 0.0
        for i in range(end - start):
            triangle[i] = max(0.0, 1.0 - abs((i + start - centre + 0.5) * (1.0 / support)))
            total += triangle[i]
        first[x], count[x] = start, end - start
        for i in range(end - start):
            weights[x, i] = int(0.5 + triangle[i] / total * (1 << _PRECISION_BITS))
