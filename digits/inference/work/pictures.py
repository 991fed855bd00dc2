"""Pictures of what is inside a network: weights and activations as tiles, heat maps, overlays.

In: float arrays.  Out: uint8 arrays (H, W, 3) in R,G,B, and a note where not everything is shown.
Colours run from dark blue over green to yellow, dark for the least value.

Elsewhere: which array is drawn (`layers.py`); PNG (`digits.images`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.floating]
Pixels = npt.NDArray[np.uint8]

MAX_WIDTH = 600
MAX_MAPS = 1024
# Tiles of 3x3 weights are drawn larger, but no picture needs blocks larger than this.
_LARGEST_MAGNIFICATION = 24
_GAP = 1
_BACKGROUND = 255


@dataclass(frozen=True)
class Drawing:
    """A picture (H, W, 3), and what it leaves out ("" when it shows everything)."""

    pixels: Pixels
    note: str = ""


@cache
def colour_map() -> Pixels:
    """256 colours (256, 3), from the least value to the greatest: Matplotlib's viridis."""
    from matplotlib import colormaps  # noqa: PLC0415  # not for workers that draw no layers

    colours: Pixels = colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
    return colours


def heat_map(values: FloatArray) -> Pixels:
    """An array of any shape in colours, (..., 3); what is not finite is drawn grey."""
    finite = np.isfinite(values)
    colours = colour_map()[_levels(values, finite)]
    colours[~finite] = 128
    return colours


def draw_activations(values: FloatArray) -> Drawing:
    """One picture's blob: (C, H, W) as a tile a channel, (C,) or (C, 1, 1) as a field of cells."""
    values = np.asarray(values, dtype=np.float32)
    if values.ndim > 3:
        values = values.reshape(-1, *values.shape[-2:])
    if values.ndim == 3 and values.shape[1:] != (1, 1):
        return _draw_tiles(values, "channels")
    if values.ndim == 2:
        return _draw_matrix(values)
    return _draw_cells(values.reshape(-1))


def draw_weights(values: FloatArray) -> Drawing:
    """One parameter: filters (out, in, h, w) as tiles, in colour when `in` is 3; else a matrix."""
    values = np.asarray(values, dtype=np.float32)
    if values.ndim == 4 and values.shape[2:] != (1, 1):
        if values.shape[1] == 3:
            return _draw_colour_filters(values)
        return _draw_tiles(values.reshape(-1, *values.shape[2:]), "filters")
    if values.ndim >= 2:
        return _draw_matrix(values.reshape(values.shape[0], -1))
    return _draw_cells(values.reshape(-1))


def overlay(picture: Pixels, values: FloatArray, strength: float = 0.5) -> Pixels:
    """A heat map (h, w), smoothly enlarged, laid over a picture (H, W, 1 or 3)."""
    height, width = picture.shape[:2]
    scaled = Image.fromarray(values.astype(np.float32)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    colours = heat_map(np.maximum(np.asarray(scaled), 0.0)).astype(np.float32)
    mixed = (1 - strength) * picture.astype(np.float32) + strength * colours
    return np.asarray(mixed.round(), dtype=np.uint8)


def _levels(values: FloatArray, finite: npt.NDArray[np.bool_]) -> Pixels:
    """0 to 255, from the least to the greatest finite value."""
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    known = np.where(finite, values, values[finite].flat[0]).astype(np.float64)
    low, high = known.min(), known.max()
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    return np.asarray(((known - low) * (255 / (high - low))).round(), dtype=np.uint8)


def _draw_tiles(maps: FloatArray, what: str) -> Drawing:
    chosen, note = _sampled(maps, what)
    return Drawing(_grid(heat_map(chosen)), note)


def _draw_colour_filters(filters: FloatArray) -> Drawing:
    """(out, 3, h, w) in B,G,R, on one scale, so that faint filters look faint."""
    chosen, note = _sampled(filters, "filters")
    levels = _levels(chosen, np.isfinite(chosen))
    return Drawing(_grid(levels[:, ::-1].transpose(0, 2, 3, 1)), note)


def _draw_matrix(values: FloatArray) -> Drawing:
    """Rows and columns as they are; of more than fit, evenly spaced ones."""
    rows, columns = _spread(values.shape[0], MAX_WIDTH), _spread(values.shape[1], MAX_WIDTH)
    chosen = values[np.ix_(rows, columns)]
    note = ""
    if chosen.shape != values.shape:
        note = (
            f"{len(rows)} of {values.shape[0]} rows and {len(columns)} of {values.shape[1]} "
            "columns, evenly spaced"
        )
    return Drawing(_magnified(heat_map(chosen), MAX_WIDTH), note)


def _draw_cells(values: FloatArray) -> Drawing:
    """A row of values as a field that is about as wide as high."""
    columns = min(MAX_WIDTH, max(1, math.ceil(math.sqrt(values.size))))
    rows = math.ceil(values.size / columns)
    field = np.full((rows * columns, 3), _BACKGROUND, np.uint8)
    field[: values.size] = heat_map(values)
    return Drawing(_magnified(field.reshape(rows, columns, 3), MAX_WIDTH // 2))


def _sampled(maps: FloatArray, what: str) -> tuple[FloatArray, str]:
    if len(maps) <= MAX_MAPS:
        return maps, ""
    note = f"{MAX_MAPS:,} of {len(maps):,} {what}, evenly spaced"
    return maps[_spread(len(maps), MAX_MAPS)], note


def _spread(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """At most `wanted` indices below `count`, evenly spaced."""
    if count <= wanted:
        return np.arange(count)
    return np.linspace(0, count - 1, wanted).round().astype(np.int64)


def _grid(tiles: Pixels) -> Pixels:
    """Tiles (N, h, w, 3) side by side, at most MAX_WIDTH wide, with gaps between them."""
    count, height, width = tiles.shape[:3]
    columns = max(1, min(count, math.ceil(math.sqrt(count * height / width))))
    cell = (MAX_WIDTH - _GAP) // columns - _GAP
    tiles = _fitted(tiles, max(1, cell))
    count, height, width = tiles.shape[:3]
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height + _GAP, width + _GAP, 3), _BACKGROUND, np.uint8)
    cells[:count, :height, :width] = tiles
    sheet = cells.reshape(rows, columns, height + _GAP, width + _GAP, 3).swapaxes(1, 2)
    inner = sheet.reshape(rows * (height + _GAP), columns * (width + _GAP), 3)
    return np.pad(inner, ((_GAP, 0), (_GAP, 0), (0, 0)), constant_values=_BACKGROUND)


def _fitted(tiles: Pixels, width: int) -> Pixels:
    """Tiles made as wide as possible, by whole factors; or shrunk, when they are too wide."""
    old_width = tiles.shape[2]
    if old_width > width:
        height = max(1, round(tiles.shape[1] * width / old_width))
        shrunk = [
            np.asarray(Image.fromarray(tile).resize((width, height), Image.Resampling.BOX))
            for tile in tiles
        ]
        return np.stack(shrunk)
    factor = min(width // old_width, _LARGEST_MAGNIFICATION)
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def _magnified(picture: Pixels, width: int) -> Pixels:
    """A picture (H, W, 3) whose pixels are shown as blocks, about `width` wide."""
    longest = max(picture.shape[:2])
    factor = max(1, min(width // longest, _LARGEST_MAGNIFICATION))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
