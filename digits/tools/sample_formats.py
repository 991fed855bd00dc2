"""Read the files in which the sample data sets are published.

idx      MNIST: big-endian header, then bytes (described on the data set's page)
CIFAR    binary version: records of one or two label bytes and 3 x 32 x 32 bytes
"""

from __future__ import annotations

import gzip
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from digits.errors import ToolError

Pixels = NDArray[np.uint8]

_IDX_LABELS, _IDX_PICTURES = 0x801, 0x803
_CIFAR_SIDE = 32
_CIFAR_PIXELS = 3 * _CIFAR_SIDE * _CIFAR_SIDE


def read_idx(pictures: Path, labels: Path) -> Iterator[tuple[int, Pixels]]:
    """(label, picture of H x W x 1) of each picture of two gzipped idx files."""
    picture_data, label_data = _gunzip(pictures), _gunzip(labels)
    count, rows, columns = _idx_header(pictures, picture_data, _IDX_PICTURES, 3)
    (label_count,) = _idx_header(labels, label_data, _IDX_LABELS, 1)
    if label_count != count:
        raise ToolError(f"{pictures} has {count} pictures, but {labels} has {label_count} labels.")
    stack = np.frombuffer(picture_data, np.uint8, offset=16).reshape(count, rows, columns, 1)
    yield from zip(label_data[8:], stack, strict=True)


def read_cifar(
    archive: Path, names: tuple[str, ...], label_bytes: int
) -> Iterator[tuple[int, Pixels]]:
    """(label, picture of 32 x 32 x 3) of each record of the files `names` of a tar.gz.

    Of several label bytes the last one counts (CIFAR-100: the coarse label comes first).
    """
    for name in names:
        data = np.frombuffer(_member(archive, name), np.uint8)
        if not len(data) or len(data) % (label_bytes + _CIFAR_PIXELS):
            raise ToolError(f"{name} in {archive} has {len(data)} bytes: no whole records.")
        records = data.reshape(-1, label_bytes + _CIFAR_PIXELS)
        planes = records[:, label_bytes:].reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE)
        pictures = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        yield from zip(records[:, label_bytes - 1].tolist(), pictures, strict=True)


def read_names(archive: Path, name: str) -> list[str]:
    """The category names in a text file of the archive, a name a line."""
    return _member(archive, name).decode().split()


def _gunzip(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ToolError(f"{path} is no sound gzip file: {error}.") from error


def _idx_header(path: Path, data: bytes, magic: int, dimensions: int) -> tuple[int, ...]:
    size = 4 * (1 + dimensions)
    if len(data) < size or struct.unpack_from(">I", data)[0] != magic:
        raise ToolError(f"{path} is no idx file of {dimensions} dimensions.")
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    if len(data) - size != int(np.prod(shape, dtype=np.int64)):
        raise ToolError(f"{path} has {len(data) - size} bytes of data, its header says {shape}.")
    return shape


def _member(archive: Path, name: str) -> bytes:
    """The content of the file called `name`, in whatever folder of the archive."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and PurePosixPath(member.name).name == name:
                    file = tar.extractfile(member)
                    if file is not None:
                        return file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ToolError(f"{archive} is no sound archive: {error}.") from error
    raise ToolError(f"There is no {name} in {archive}.")
