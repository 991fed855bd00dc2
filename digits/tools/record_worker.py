"""What a worker process of `records.py` does: a batch of pictures in, a batch of records out."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from digits.caffe.proto import caffe_pb2
from digits.errors import ImageError
from digits.images import Encoding, ResizeMode, encode_picture, read_image, read_resized
from digits.images.budget import process_budget
from digits.images.encode import caffe_planes
from digits.images.levels import WHITE, Levels, joined
from digits.images.resize import Scale
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import LabelledEntry
from digits.tools.memory import keep_freed_memory
from digits.tools.skipped import SkippedPicture

Pixels = NDArray[np.uint8]

# Large enough to make the cost of a batch small, small enough for even shares at the end.
_BATCH_BYTES = 1 << 22
_BATCH_PICTURES = 64
_DATA_TAG = bytes([caffe_pb2.Datum.DATA_FIELD_NUMBER << 3 | 2])  # 2: a length, then bytes


@dataclass(frozen=True)
class RecordSpec:
    """What every picture becomes."""

    height: int
    width: int
    channels: int
    mode: ResizeMode
    encoding: Encoding
    as_datum: bool  # a serialized Datum for LMDB, else the bare bytes
    with_sum: bool  # whether a mean is wanted
    paths: PathPolicy = field(default_factory=PathPolicy)  # what may be read
    levels: tuple[int, int] = (0, WHITE)  # the 16-bit values that become black and white

    @property
    def largest_record_bytes(self) -> int:
        """What no record exceeds: PNG and JPEG may be a little larger than the pixels."""
        return self.height * (self.width * self.channels + 1) * 5 // 4 + 4096

    @property
    def pictures_per_batch(self) -> int:
        return max(1, min(_BATCH_PICTURES, _BATCH_BYTES // self.largest_record_bytes))

    @property
    def slot_bytes(self) -> int:
        """Room for the records of a batch."""
        return self.pictures_per_batch * self.largest_record_bytes


@dataclass
class Made:
    """What became of a batch; the records lie in the batch's slot, from each start to its end."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)  # of the records' pictures, in the batch
    skipped: list[SkippedPicture] = field(default_factory=list)
    # The sum of the pictures, H x W x C, if it was asked for and there is a picture.
    total: NDArray[np.uint16] | None = None
    wide: int = 0  # pictures with 16 bits
    seen: tuple[int, int] | None = None  # the range of their values


@dataclass(frozen=True)
class Picture:
    """A picture on its way to a worker."""

    entry: LabelledEntry
    data: bytes | None = None  # the file's content if it was downloaded
    problem: str | None = None  # why it could not be


class BatchMaker:
    """Turns batches of pictures into records, in slots of memory that the program shares."""

    def __init__(self, spec: RecordSpec, scale: Scale, slots: mmap.mmap) -> None:
        self._spec, self._scale, self._slots = spec, scale, slots

    def make(self, slot: int, batch: Sequence[Picture]) -> Made:
        """Turn pictures into records in a slot."""
        made = Made()
        position = slot * self._spec.slot_bytes
        for place, picture in enumerate(batch):
            try:
                levels = Levels(*self._spec.levels)
                pixels = self._read(picture, levels)
            except ImageError as error:
                made.skipped.append(SkippedPicture(picture.entry.path, str(error)))
                continue
            if levels.seen:
                made.wide += 1
                made.seen = joined(made.seen, levels.seen)
            start, label = position, picture.entry.label
            if self._spec.encoding == Encoding.NONE:
                stored = pixels
                position = self._put_datum(position, pixels, caffe_planes(pixels), label)
            else:
                data = encode_picture(pixels, self._spec.encoding)
                # What a network will see: a JPEG is not quite what went into it.
                see_again = self._spec.with_sum and self._spec.encoding == Encoding.JPG
                stored = read_image(data) if see_again else pixels
                encoded = np.frombuffer(data, np.uint8)
                position = self._put_datum(position, pixels, encoded, label)
            made.spans.append((start, position))
            made.labels.append(label)
            made.places.append(place)
            if self._spec.with_sum:
                made.total = _added(made.total, stored)
        return made

    def _read(self, picture: Picture, levels: Levels) -> Pixels:
        if picture.problem is not None:
            raise ImageError(picture.problem)
        if picture.data is None and not self._spec.paths.allows_path(picture.entry.path):
            raise ImageError("it is outside the folders that may be read")
        return read_resized(
            picture.data if picture.data is not None else picture.entry.path,
            self._spec.height,
            self._spec.width,
            self._spec.channels,
            self._spec.mode,
            scale=self._scale,
            levels=levels,
        )

    def _put_datum(self, position: int, pixels: Pixels, data: Pixels, label: int) -> int:
        """Put `data`, of any shape, into the slots, as a Datum if that is wanted; answers its end.

        A message may be written in parts, one after the other: so the data are copied only once.
        """
        if not self._spec.as_datum:
            return self._put(position, data)
        height, width, channels = pixels.shape
        head = caffe_pb2.Datum(channels=channels, height=height, width=width).SerializeToString()
        tail = caffe_pb2.Datum(label=label, encoded=self._spec.encoding != Encoding.NONE)
        position = self._put_bytes(position, head + _DATA_TAG + _varint(data.size))
        position = self._put(position, data)
        return self._put_bytes(position, tail.SerializeToString())

    def _put(self, position: int, data: Pixels) -> int:
        place = np.frombuffer(self._slots, np.uint8, data.size, position)
        np.copyto(place.reshape(data.shape), data)
        return position + data.size

    def _put_bytes(self, position: int, data: bytes) -> int:
        end = position + len(data)
        self._slots[position:end] = data
        return end


# A pool's process is asked by the name of a function alone: what it was started with is kept here.
_maker: BatchMaker


def start_worker(spec: RecordSpec, scale: Scale, slots: mmap.mmap) -> None:
    """Get this process ready for batches, whose records go into `slots`."""
    global _maker
    _maker = BatchMaker(spec, scale, slots)
    keep_freed_memory()
    process_budget().limit_process()
    # Ctrl-C goes to the whole group; the program tells its workers to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The program's own handler has come with the fork.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def make_batch(slot: int, batch: Sequence[Picture]) -> Made:
    """Turn pictures into records in a slot, in a process that `start_worker` got ready."""
    return _maker.make(slot, batch)


def _end_with_parent() -> None:
    """End this process when the program is killed: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _varint(number: int) -> bytes:
    """A length as protobuf writes it: seven bits a byte, the lowest first."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _added(total: NDArray[np.uint16] | None, pixels: Pixels) -> NDArray[np.uint16]:
    """`total` + `pixels`; 16 bits hold the sum of a batch, as it has fewer than 257 pictures."""
    if total is None:
        return pixels.astype(np.uint16)
    total += pixels
    return total
