"""MNIST's files: pictures and labels in the IDX format.

In: a file of pictures (magic number 2051) or of labels (2049), not compressed.  Out: arrays.
Source: convert_mnist_data.cpp.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.caffe.errors import DataError

_IMAGES, _LABELS = 2051, 2049
_GZIP = b"\x1f\x8b"


def read_images(path: str) -> npt.NDArray[np.uint8]:
    """The pictures (n, rows, columns) of a file; DataError if it is none of that kind."""
    data = _read(path, _IMAGES, "image", sizes=3)
    count, rows, columns = struct.unpack(">3I", data[4:16])
    return _values(path, data[16:], (count, rows, columns)).view(np.uint8)


def read_labels(path: str) -> npt.NDArray[np.int8]:
    """The labels (n,) of a file; DataError if it is none of that kind."""
    data = _read(path, _LABELS, "label", sizes=1)
    (count,) = struct.unpack(">I", data[4:8])
    return _values(path, data[8:], (count,)).view(np.int8)


def read_labelled_images(
    images_path: str, labels_path: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8]]:
    """Pictures and a label for each; DataError if there are more of the one than of the other."""
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images)} pictures and {labels_path} {len(labels)} labels; "
            "give the two files of one set"
        )
    if not images.size:
        raise DataError(f"{images_path}: there are no pictures in it")
    return images, labels


def _read(path: str, magic: int, kind: str, sizes: int) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"Unable to open file {path}: {error.strerror}") from error
    if data.startswith(_GZIP):
        raise DataError(f"{path}: is compressed; unpack it with gunzip first")
    if len(data) < 4 * (1 + sizes) or struct.unpack(">I", data[:4]) != (magic,):
        raise DataError(
            f"{path}: Incorrect {kind} file magic; MNIST's {kind} files begin with the number "
            f"{magic}, this one with {data[:4]!r}"
        )
    return data


def _values(path: str, data: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    wanted = int(np.prod(shape, dtype=object))
    if len(data) < wanted:
        raise DataError(
            f"{path}: is cut off; it says that it holds {' x '.join(map(str, shape))} bytes, and "
            f"holds {len(data)}"
        )
    return np.frombuffer(data, np.uint8, wanted).reshape(shape)
