"""The four ways to bring a picture to the size that a network wants.

In and out: uint8 arrays of H x W x C (C is 1 or 3).  Every mode scales once, by a bilinear filter
with anti-aliasing (Pillow's BILINEAR), then crops or pads:

    squash      straight to the size
    crop        scaled so that it covers the size, the middle is kept
    fill        scaled so that it fits into the size, the rest is noise on both sides
    half_crop   scaled by the mean of those two ratios: the long side cropped, the short filled

The noise depends on the picture alone, so the same picture always gives the same result.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.errors import ImageError

# Pixels on a side that a network's input may have; 4096 x 4096 x 3 is a record of 50 MB.
MAX_SIDE = 4096
# A long thin picture in mode `crop` would be scaled to something far larger than what is kept of
# it; above this many pixels only the kept part is computed.
_MAX_SCALED_PIXELS = 1 << 26

Pixels = NDArray[np.uint8]
# (picture H x W x C, height, width) -> picture of height x width x C
Scale = Callable[[Pixels, int, int], Pixels]
Box = tuple[float, float, float, float]


class ResizeMode(StrEnum):
    SQUASH = "squash"
    CROP = "crop"
    FILL = "fill"
    HALF_CROP = "half_crop"


@dataclass(frozen=True)
class ScaledSize:
    """Rows and columns of the whole picture after scaling, before cropping and padding."""

    height: int
    width: int


@dataclass(frozen=True)
class Source:
    """Where a picture comes from that was decoded smaller than it is in its file."""

    height: int  # of the upright picture in the file
    width: int
    # left, top, right, bottom of what shows the picture, in decoded pixels: of a last row or column
    # that stands for fewer pixels of the file than the others, only that share counts.
    box: Box


def resize_image(
    picture: Pixels,
    height: int,
    width: int,
    channels: int,
    mode: ResizeMode | str = ResizeMode.SQUASH,
    *,
    scale: Scale | None = None,
    source: Source | None = None,
) -> Pixels:
    """`picture` (H x W x C) as height x width x channels.

    `scale` is the bilinear filter, Pillow's unless given.  `source` must be given for a picture
    that was decoded smaller than it is in its file: the geometry follows the file.
    Raises ImageError for a size, a channel count or a mode that cannot be.
    """
    check_size(height, width, channels)
    picture = with_channels(picture, channels)
    rows, columns = picture.shape[:2]
    source = source or Source(rows, columns, (0, 0, columns, rows))
    scaled = scaled_size(source.height, source.width, height, width, mode)
    if scaled.height * scaled.width > _MAX_SCALED_PIXELS:
        return _scale_middle(picture, source.box, scaled, height, width)
    if source.box == (0, 0, columns, rows):
        picture = (scale or pillow_scale)(picture, scaled.height, scaled.width)
    else:
        picture = _scale_box(picture, source.box, scaled.height, scaled.width)
    return _pad_middle(_crop_middle(picture, height, width), height, width)


def check_size(height: int, width: int, channels: int) -> None:
    """Raises ImageError unless pictures of this shape can be made."""
    for name, value in (("height", height), ("width", width)):
        if not 1 <= value <= MAX_SIDE:
            raise ImageError(f"The {name} must be between 1 and {MAX_SIDE} pixels, not {value}.")
    if channels not in (1, 3):
        raise ImageError(f"The channels must be 1 (grayscale) or 3 (color), not {channels}.")


def scaled_size(
    source_height: int, source_width: int, height: int, width: int, mode: ResizeMode | str
) -> ScaledSize:
    """How large a picture becomes before it is cropped or padded to height x width.

    Ratios are source/target, so a larger ratio means a smaller result.  Where noise is added, the
    scaled side is made one larger if that leaves an equal share for both ends.
    """
    if mode not in ResizeMode.__members__.values():
        known = ", ".join(ResizeMode)
        raise ImageError(f"There is no resize mode {str(mode)!r}; the modes are {known}.")
    across, down = source_width / width, source_height / height
    if mode == ResizeMode.SQUASH:
        return ScaledSize(height, width)
    ratio = {
        ResizeMode.CROP: min(across, down),
        ResizeMode.FILL: max(across, down),
        ResizeMode.HALF_CROP: (across + down) / 2,
    }[ResizeMode(mode)]
    # The side that sets the ratio must come out exact, whatever floating point makes of it.
    scaled_height = height if ratio == down else max(1, _rounded(source_height / ratio))
    scaled_width = width if ratio == across else max(1, _rounded(source_width / ratio))
    return ScaledSize(_evened(scaled_height, height), _evened(scaled_width, width))


def with_channels(picture: Pixels, channels: int) -> Pixels:
    """H x W x C as H x W x `channels`: grey by Pillow's L, colour by repeating grey."""
    if picture.shape[2] == channels:
        return picture
    if channels == 3:
        return np.repeat(picture, 3, axis=2)
    return np.asarray(Image.fromarray(picture).convert("L"))[:, :, np.newaxis]


def pillow_scale(picture: Pixels, height: int, width: int) -> Pixels:
    """Scale H x W x C to height x width x C with Pillow's BILINEAR."""
    if picture.shape[:2] == (height, width):
        return picture
    return _scale_box(picture, None, height, width)


def _scale_box(picture: Pixels, box: Box | None, height: int, width: int) -> Pixels:
    grey = picture.shape[2] == 1
    image = Image.fromarray(picture[:, :, 0] if grey else picture)
    scaled = image.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(scaled).reshape(height, width, -1)


def _scale_middle(picture: Pixels, box: Box, scaled: ScaledSize, height: int, width: int) -> Pixels:
    """The middle height x width of `box` scaled to `scaled`, without making all of it."""
    across, down = (box[2] - box[0]) / scaled.width, (box[3] - box[1]) / scaled.height
    left = box[0] + _rounded((scaled.width - width) / 2) * across
    top = box[1] + _rounded((scaled.height - height) / 2) * down
    # Pillow refuses a box that floating point puts a hair outside of the picture.
    right = min(left + width * across, picture.shape[1])
    bottom = min(top + height * down, picture.shape[0])
    return _scale_box(picture, (left, top, right, bottom), height, width)


def _crop_middle(picture: Pixels, height: int, width: int) -> Pixels:
    """`picture` without what it has beyond height x width, taken from both ends."""
    top = max(0, _rounded((picture.shape[0] - height) / 2))
    left = max(0, _rounded((picture.shape[1] - width) / 2))
    return picture[top : top + height, left : left + width]


def _pad_middle(picture: Pixels, height: int, width: int) -> Pixels:
    """`picture` in the middle of height x width of noise, seeded by its pixels."""
    rows, columns, channels = picture.shape
    if (rows, columns) == (height, width):
        return picture
    seed = zlib.crc32(np.ascontiguousarray(picture).data)
    noise = np.random.Generator(np.random.PCG64(seed)).integers(
        0, 256, (height, width, channels), dtype=np.uint8
    )
    top, left = (height - rows) // 2, (width - columns) // 2
    noise[top : top + rows, left : left + columns] = picture
    return noise


def _evened(scaled: int, side: int) -> int:
    """`scaled`, or one more when it falls short of `side` by an odd number."""
    return scaled + 1 if scaled < side and (side - scaled) % 2 else scaled


def _rounded(value: float) -> int:
    """The nearest integer, halves up (Python's own `round` takes halves to the even one)."""
    return int(value + 0.5)
