"""Mean files: a picture's worth of floats that data layers subtract, in a BlobProto.

In and out: files such as `mean.binaryproto`.
Sources: data_transformer.cpp, compute_image_mean.cpp.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from digits.caffe.errors import DataError
from digits.caffe.machine.log import at
from digits.caffe.proto.caffe_pb2 import BlobProto

log = logging.getLogger(__name__)


def read_mean_file(path: str) -> npt.NDArray[np.float32]:
    """The mean as `load_mean` reads it; the log says so, as Caffe's."""
    log.info("Loading mean file from: %s", path, extra=at("data_transformer.cpp:25"))
    return load_mean(path)


def load_mean(path: str) -> npt.NDArray[np.float32]:
    """The mean (channels, height, width); DataError if there is no such file, or it is no mean."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"mean file not found: {path} ({error.strerror})") from error
    try:
        blob = BlobProto.FromString(data)
    except DecodeError as error:
        raise DataError(f"{path}: this is no mean file (no BlobProto)") from error
    return _image(blob, path)


def _image(blob: BlobProto, path: str) -> npt.NDArray[np.float32]:
    shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
    values = np.array(blob.data if len(blob.data) else blob.double_data, np.float32)
    axes = shape[-3:] if len(shape) >= 3 else (1,) * (3 - len(shape)) + shape
    if values.size == 0 or values.size != int(np.prod(axes)):
        raise DataError(
            f"{path}: the mean file holds {values.size} values for the shape {shape}; "
            "it must be one picture"
        )
    return values.reshape(axes)


def write_mean_file(path: str, mean: npt.NDArray[np.float32]) -> None:
    """Write a mean (channels, height, width) as `compute_image_mean` does, with the old sizes."""
    channels, height, width = mean.shape
    blob = BlobProto(num=1, channels=channels, height=height, width=width)
    blob.data.extend(mean.astype(np.float32).ravel().tolist())
    try:
        Path(path).write_bytes(blob.SerializeToString())
    except OSError as error:
        raise DataError(f"{path}: cannot write the mean: {error.strerror}") from error
