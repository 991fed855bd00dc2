"""Small pictures for pages: what the network sees, as a thumbnail; what was sent, as a preview."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from digits.images import ResizeMode, read_resized
from digits.images.encode import encode_png
from digits.images.read import picture_size
from digits.inference.operations import Preview, ShowPicture
from digits.inference.work.state import State

Pixels = npt.NDArray[np.uint8]

# At a hundred pixels a side nobody sees more at a higher quality.
_QUALITY = 80
# Pictures that pages magnify, so that blurs of a JPEG would be seen.
_SMALL_SIDE = 64


def thumbnail(picture: Pixels, side: int) -> bytes:
    """A picture (h, w, C) in R,G,B or grey as a JPEG with at most `side` pixels a side."""
    height, width, channels = picture.shape
    factor = max(height, width) / side
    if factor > 1:
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        image = Image.fromarray(picture if channels == 3 else picture[:, :, 0])
        shrunk = np.asarray(image.resize(size, Image.Resampling.BOX))
        picture = shrunk if channels == 3 else shrunk[:, :, np.newaxis]
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture),
        quality=_QUALITY,
        colorspace="RGB" if channels == 3 else "GRAY",
        colorsubsampling="420" if channels == 3 else "Gray",
    )
    return jpeg


def show_picture(state: State, request: ShowPicture) -> Preview:
    """A picture as it is, shrunk where it is large."""
    source = str(request.source) if isinstance(request.source, Path) else request.source
    data = preview(source, request.side)
    return Preview("png" if data.startswith(b"\x89PNG") else "jpeg", data)


def preview(source: str | bytes, side: int) -> bytes:
    """A picture in its own proportions and colours, with at most `side` pixels a side: PNG or JPEG.

    Raises ImageError.
    """
    height, width = picture_size(source)
    factor = max(1.0, max(height, width) / side)
    size = max(1, round(height / factor)), max(1, round(width / factor))
    picture = read_resized(source, *size, 3, ResizeMode.SQUASH)
    return encode_png(picture) if max(size) <= _SMALL_SIDE else thumbnail(picture, side)
