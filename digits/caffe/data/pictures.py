"""Pixels from encoded pictures, as OpenCV gives them to Caffe: H x W x C, 8 bits, B,G,R.

Elsewhere: datasets made for DIGITS, which follow Pillow (`digits.images`); pycaffe's floats
(`digits.caffe.io`).  Sources: io.cpp, DecodeDatumToCVMat and ReadImageToCVMat.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.caffe.errors import DataError

Pixels = npt.NDArray[np.uint8]


@cache
def opencv() -> Any:
    """OpenCV, loaded with the first picture; it makes no threads, as decoding runs in ours."""
    import cv2  # noqa: PLC0415

    cv2.setNumThreads(1)
    return cv2


def decode(data: bytes, color: bool | None, where: str) -> Pixels:
    """Pixels (H, W, C) of a PNG, JPEG, ... in memory; grey ones have C = 1.

    `color` True or False forces three channels or one; None keeps what the file has.
    Raises DataError, beginning with `where`, for what is no picture or has no 8 bits a channel.
    """
    cv2 = opencv()
    flag = {None: cv2.IMREAD_UNCHANGED, True: cv2.IMREAD_COLOR, False: cv2.IMREAD_GRAYSCALE}[color]
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    except cv2.error as error:
        raise DataError(f"{where}: cannot decode the picture: {error}") from error
    if image is None:
        raise DataError(
            f"{where}: cannot decode the picture ({len(data)} bytes, starting {data[:8]!r})"
        )
    if image.dtype != np.uint8:
        raise DataError(
            f"{where}: the picture has {image.dtype} channels; Caffe reads 8 bits a channel only"
        )
    pixels: Pixels = image[:, :, np.newaxis] if image.ndim == 2 else image
    return pixels


def read(path: str, height: int = 0, width: int = 0, color: bool = True) -> Pixels:
    """Pixels of a file, resized as OpenCV does it (bilinear, no anti-aliasing) unless a size is 0.

    Raises DataError if there is no such picture.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read the picture: {error.strerror}") from error
    image = decode(data, color, path)
    return resize(image, height, width) if height > 0 and width > 0 else image


def resize(image: Pixels, height: int, width: int) -> Pixels:
    """OpenCV's bilinear resize; (H, W, C) stays three axes."""
    resized: Pixels = opencv().resize(image, (width, height))
    return resized[:, :, np.newaxis] if resized.ndim == 2 else resized


def encode(image: Pixels, kind: str) -> bytes:
    """The bytes of a `kind` (png, jpg, ...) file; DataError if OpenCV cannot write it."""
    cv2 = opencv()
    try:
        done, data = cv2.imencode(f".{kind}", image)
    except cv2.error as error:
        raise DataError(f"cannot write pictures of type {kind!r}: {error}") from error
    if not done:
        raise DataError(f"cannot write pictures of type {kind!r}")
    return bytes(data)
