"""The picture on which the dataset form shows what a resize mode does, drawn by code.

A still life on a table: a round clock and a square box, so that stretching shows, and a different
thing at each edge, so that it shows what a crop takes away.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 480, 320
# Drawn at this multiple and reduced, since ImageDraw's edges are not smoothed.
_FINE = 3
_TABLE_TOP = 216

Point = tuple[float, float]


@cache
def example_picture() -> NDArray[np.uint8]:
    """320 x 480 x 3, the same at every call; treat it as read-only."""
    image = Image.fromarray(_background()).resize(
        (WIDTH * _FINE, HEIGHT * _FINE), Image.Resampling.BICUBIC
    )
    pen = ImageDraw.Draw(image)
    _draw_window(pen)
    _draw_plant(pen)
    _draw_box(pen)
    _draw_clock(pen, centre=(248, 146), radius=74)
    _draw_pencils(pen)
    picture = np.asarray(image.reduce(_FINE)).copy()
    picture.flags.writeable = False
    return picture


def _background() -> NDArray[np.uint8]:
    """A wall that gets darker to the right, and a table with a shine in its middle."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    wall = np.stack([226 - columns / 9, 214 - columns / 12, 190 - rows / 10], axis=2)
    shine = 46 * np.exp(-(((columns - 240) / 170) ** 2) - ((rows - 262) / 40) ** 2)
    grain = 7 * np.sin(rows * 0.9 + 6 * np.sin(columns / 60))
    table = np.stack([134 + shine + grain, 88 + shine + grain, 56 + shine * 0.6 + grain], axis=2)
    picture = np.where(rows[:, :, np.newaxis] < _TABLE_TOP, wall, table)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _draw_window(pen: ImageDraw.ImageDraw) -> None:
    """A window with a hilly view, cut off by the left and the upper edge."""
    _rectangle(pen, (-10, -10), (104, 150), "#f4f1ea")
    _rectangle(pen, (0, 0), (94, 140), "#8cc4ec")
    _polygon(pen, [(0, 104), (30, 78), (58, 98), (94, 70), (94, 140), (0, 140)], "#5d8f53")
    _ellipse(pen, (66, 32), 13, "#fff2b0")
    _rectangle(pen, (44, 0), (50, 140), "#f4f1ea")
    _rectangle(pen, (0, 66), (94, 71), "#f4f1ea")


def _draw_plant(pen: ImageDraw.ImageDraw) -> None:
    """A plant whose leaves reach the upper edge, in a pot at the right."""
    for step, colour in enumerate(("#2f6b3c", "#3f8a4b", "#2a5d35", "#4c9a58", "#37793f")):
        angle = math.radians(-150 + 30 * step)
        tip = (412 + 120 * math.cos(angle), 150 + 150 * math.sin(angle))
        side = (18 * math.sin(angle), -18 * math.cos(angle))
        middle = ((412 + tip[0]) / 2, (170 + tip[1]) / 2)
        leaf = [
            (412.0, 180.0),
            (middle[0] + side[0], middle[1] + side[1]),
            tip,
            (middle[0] - side[0], middle[1] - side[1]),
        ]
        _polygon(pen, leaf, colour)
    _polygon(pen, [(378, 172), (446, 172), (434, 244), (390, 244)], "#b5532f")
    _rectangle(pen, (372, 164), (452, 182), "#c9653d")


def _draw_box(pen: ImageDraw.ImageDraw) -> None:
    """A box with a square face, checked in two blues."""
    left, top, cell = 92, 178, 18
    _rectangle(pen, (left - 3, top - 3), (left + 4 * cell + 3, top + 4 * cell + 3), "#1c3d66")
    for row in range(4):
        for column in range(4):
            x, y = left + column * cell, top + row * cell
            colour = "#3d74b3" if (row + column) % 2 else "#dfe9f5"
            _rectangle(pen, (x, y), (x + cell, y + cell), colour)


def _draw_clock(pen: ImageDraw.ImageDraw, centre: Point, radius: float) -> None:
    """A clock at ten past ten."""
    x, y = centre
    _polygon(pen, [(x - 58, y + 94), (x - 34, y + 52), (x - 22, y + 60)], "#7a2130")
    _polygon(pen, [(x + 58, y + 94), (x + 34, y + 52), (x + 22, y + 60)], "#7a2130")
    _ellipse(pen, centre, radius, "#9e2b3d")
    _ellipse(pen, centre, radius - 10, "#fbf8f0")
    for hour in range(12):
        inner = radius - (24 if hour % 3 == 0 else 18)
        _line(pen, _on_dial(centre, inner, hour), _on_dial(centre, radius - 14, hour), 3)
    _line(pen, centre, _on_dial(centre, radius * 0.42, 10 + 10 / 60), 6)
    _line(pen, centre, _on_dial(centre, radius * 0.66, 2), 4)
    _ellipse(pen, centre, 5, "#9e2b3d")


def _draw_pencils(pen: ImageDraw.ImageDraw) -> None:
    """Three pencils on the table, cut off by the lower edge."""
    for step, colour in enumerate(("#e3b12f", "#3d8f83", "#c2483f")):
        x = 290 + 34 * step
        _polygon(pen, [(x, 268), (x + 12, 264), (x + 44, 340), (x + 30, 344)], colour)
        _polygon(pen, [(x, 268), (x + 12, 264), (x - 2, 250)], "#f0d9b0")
        _polygon(pen, [(x - 2, 250), (x, 257), (x + 4, 255)], "#222222")


def _on_dial(centre: Point, distance: float, hour: float) -> Point:
    angle = math.radians(30 * hour - 90)
    return centre[0] + distance * math.cos(angle), centre[1] + distance * math.sin(angle)


def _fine(*points: Point) -> list[Point]:
    return [(x * _FINE, y * _FINE) for x, y in points]


def _rectangle(pen: ImageDraw.ImageDraw, start: Point, end: Point, colour: str) -> None:
    pen.rectangle(_fine(start, end), fill=colour)


def _polygon(pen: ImageDraw.ImageDraw, points: list[Point], colour: str) -> None:
    pen.polygon(_fine(*points), fill=colour)


def _ellipse(pen: ImageDraw.ImageDraw, centre: Point, radius: float, colour: str) -> None:
    x, y = centre
    pen.ellipse(_fine((x - radius, y - radius), (x + radius, y + radius)), fill=colour)


def _line(pen: ImageDraw.ImageDraw, start: Point, end: Point, width: int) -> None:
    pen.line(_fine(start, end), fill="#2b2b2b", width=width * _FINE)
