"""The mean of all training pictures, exact: integers are summed, one division at the end.

`.binaryproto` is the BlobProto that Caffe's `compute_image_mean` writes (num 1, C, H, W; channels
in B,G,R; float32); any other extension is a picture of it for people, rounded to 8 bits.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.base.atomic import atomic_write
from digits.caffe.proto import caffe_pb2
from digits.errors import ToolError

BINARYPROTO = ".binaryproto"
# Extension -> Pillow's name of the format.
_PICTURE_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


class MeanPicture:
    """The sum of pictures of H x W x C and their number."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        # 64 bits hold the sum of 2**56 pictures.
        self._sum = np.zeros((height, width, channels), np.uint64)
        self._count = 0

    def add(self, total: NDArray[np.unsignedinteger], count: int) -> None:
        """Add the sum (H x W x C) of `count` pictures."""
        self._sum += total
        self._count += count

    def value(self) -> NDArray[np.float64]:
        """The mean, H x W x C."""
        return self._sum / np.float64(self._count)

    def write(self, path: Path) -> None:
        """Write it in the format that the extension of `path` names, whole or not at all."""
        check_mean_path(path)
        if path.suffix == BINARYPROTO:
            data = self._binaryproto()
        else:
            data = self._picture(_PICTURE_FORMATS[path.suffix.lower()])
        with atomic_write(path) as file:
            file.write(data)

    def _binaryproto(self) -> bytes:
        blue_green_red = self.value()[:, :, ::-1].transpose(2, 0, 1).astype(np.float32)
        channels, height, width = blue_green_red.shape
        blob = caffe_pb2.BlobProto(num=1, channels=channels, height=height, width=width)
        blob.data.extend(blue_green_red.ravel().tolist())
        return blob.SerializeToString()

    def _picture(self, format: str) -> bytes:
        rounded = np.rint(self.value()).astype(np.uint8)
        image = Image.fromarray(rounded[:, :, 0] if rounded.shape[2] == 1 else rounded)
        file = io.BytesIO()
        image.save(file, format, quality=95)
        return file.getvalue()


def check_mean_path(path: Path) -> None:
    """Raises ToolError when no mean can be written in the format that the name asks for."""
    if path.suffix != BINARYPROTO and path.suffix.lower() not in _PICTURE_FORMATS:
        known = ", ".join([BINARYPROTO, *_PICTURE_FORMATS])
        raise ToolError(f"The mean cannot be written to {path.name}; its name must end in {known}.")
