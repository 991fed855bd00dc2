"""Caffe's Datum: one record of a database, a picture or an array with a label.

In: the bytes of a record.  Out: its values, as they stand in it (uint8 or float32).
Sources: caffe.proto; io.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from digits.caffe.data import pictures
from digits.caffe.errors import DataError
from digits.caffe.proto.caffe_pb2 import Datum


@dataclass(frozen=True)
class Sample:
    """The values of one record: (C, H, W), or (H, W, C) where `channels_last`; and who it is."""

    values: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    channels_last: bool
    where: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        shape = self.values.shape
        if self.channels_last:
            return shape[2], shape[0], shape[1]
        return shape[0], shape[1], shape[2]


def parse(value: bytes, where: str) -> Datum:
    """The Datum in a record; DataError, beginning with `where`, when it is something else."""
    try:
        return Datum.FromString(value)
    except DecodeError as error:
        raise DataError(f"{where}: the record ({len(value)} bytes) is no Caffe Datum") from error


def sample(datum: Datum, where: str, color: bool | None = None) -> Sample:
    """The values of a Datum.

    `color` forces encoded pictures to three channels or one; other records ignore it.
    Raises DataError when its sizes and its data disagree or a picture cannot be decoded.
    """
    if datum.encoded:
        return Sample(pictures.decode(datum.data, color, where), True, where)
    shape = (datum.channels, datum.height, datum.width)
    data = datum.data
    values = np.frombuffer(data, np.uint8) if data else np.array(datum.float_data, np.float32)
    if min(shape) <= 0 or values.size != shape[0] * shape[1] * shape[2]:
        raise DataError(
            f"{where}: the Datum says channels, height, width = {shape}, but holds "
            f"{values.size} values"
        )
    return Sample(values.reshape(shape), False, where)


def raw(image: pictures.Pixels, label: int) -> Datum:
    """A Datum that is not encoded, of pixels (H, W, C)."""
    height, width, channels = image.shape
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return Datum(
        channels=channels, height=height, width=width, data=planes.tobytes(), label=label,
        encoded=False,
    )  # fmt: skip
