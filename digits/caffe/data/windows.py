"""Window files of R-CNN: pictures, and the regions in them that are objects or background.

In: a text file, for each picture

    # INDEX
    PATH
    CHANNELS HEIGHT WIDTH       (a line each)
    NUMBER OF WINDOWS
    CLASS OVERLAP X1 Y1 X2 Y2   (a line each window)

Out: the pictures' paths and the windows, and a window's pixels warped to the size of the net's
input.  Source: window_data_layer.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.caffe.data import pictures
from digits.caffe.errors import DataError


@dataclass(frozen=True)
class Window:
    """A region of the picture number `image`, in pixels, the corners included."""

    image: int
    label: int
    overlap: float
    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True)
class WindowFile:
    """The paths of the pictures, the number of channels of the last one, and the windows."""

    paths: list[str]
    channels: int
    windows: list[Window]


def read_window_file(path: str) -> WindowFile:
    """Read a window file; DataError if there is none, or it has another form."""
    try:
        words = iter(Path(path).read_text().split())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Failed to open window file {path}: {error}") from error
    file = WindowFile([], 0, [])
    try:
        for hashtag in words:
            file = _read_picture(hashtag, words, file)
    except (StopIteration, ValueError) as error:
        raise DataError(
            f"{path}: the entry of picture {len(file.paths) + 1} is not `# INDEX, PATH, CHANNELS, "
            f"HEIGHT, WIDTH, COUNT` and then CLASS OVERLAP X1 Y1 X2 Y2 for each window ({error})"
        ) from error
    if not file.paths:
        raise DataError(f"{path}: Window file is empty")
    return file


def _read_picture(hashtag: str, words: Iterator[str], file: WindowFile) -> WindowFile:
    if hashtag != "#":
        raise ValueError(f"expected #, received {hashtag!r}")
    next(words)  # the index, which Caffe ignores as well
    name = next(words)
    channels, _height, _width, count = [int(next(words)) for _ in range(4)]
    image = len(file.paths)
    windows = [_read_window(image, words) for _ in range(count)]
    return WindowFile([*file.paths, name], channels, file.windows + windows)


def _read_window(image: int, words: Iterator[str]) -> Window:
    label, overlap = int(next(words)), float(next(words))
    x1, y1, x2, y2 = [int(next(words)) for _ in range(4)]
    return Window(image, label, overlap, x1, y1, x2, y2)


@dataclass(frozen=True)
class Warp:
    """How windows become squares of `size` pixels."""

    size: int
    context_pad: int
    square: bool


@dataclass(frozen=True)
class Patch:
    """Warped pixels (H, W, C), and where they go in the square; the rest of it is padding."""

    pixels: pictures.Pixels
    top: int
    left: int


def warp(image: pictures.Pixels, window: Window, how: Warp, mirror: bool, where: str) -> Patch:
    """Cut the window, with its context, out of `image` (H, W, C) and warp it.

    Raises DataError, beginning with `where`, if the window is not inside the picture.
    """
    height, width = image.shape[:2]
    if not (0 <= window.x1 <= window.x2 < width and 0 <= window.y1 <= window.y2 < height):
        raise DataError(
            f"{where}: window {window.x1} {window.y1} {window.x2} {window.y2} is not inside the "
            f"picture, which is {width} x {height}"
        )
    if how.context_pad <= 0 and not how.square:
        x = _Span(window.x1, window.x2, how.size, 0, 0)
        y = _Span(window.y1, window.y2, how.size, 0, 0)
    else:
        half_x = (window.x2 - window.x1 + 1) / 2
        half_y = (window.y2 - window.y1 + 1) / 2
        longer = max(half_x, half_y)
        x = _expand(window.x1 + half_x, longer if how.square else half_x, width, how)
        y = _expand(window.y1 + half_y, longer if how.square else half_y, height, how)
    left = x.pad_after if mirror else x.pad_before
    size = (min(y.size, how.size - y.pad_before), min(x.size, how.size - left))
    cut = np.ascontiguousarray(image[y.start : y.end + 1, x.start : x.end + 1])
    pixels = pictures.resize(cut, *size)
    return Patch(pixels[:, ::-1] if mirror else pixels, y.pad_before, left)


@dataclass(frozen=True)
class _Span:
    """One axis of a window: `start` to `end` in the picture, warped to `size`, and two pads."""

    start: int
    end: int
    size: int
    pad_before: int
    pad_after: int


def _expand(center: float, half: float, length: int, how: Warp) -> _Span:
    """Widen by the context, then clip at the picture, whose edge becomes padding."""
    scale = how.size / (how.size - 2 * how.context_pad)
    start, end = _round(center - half * scale), _round(center + half * scale)
    ratio = how.size / (end - start + 1)
    before, after = max(0, -start), max(0, end - length + 1)
    start, end = start + before, end - after
    return _Span(
        start, end, _round((end - start + 1) * ratio), _round(before * ratio), _round(after * ratio)
    )


def _round(value: float) -> int:
    """C's round(): halves go away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
