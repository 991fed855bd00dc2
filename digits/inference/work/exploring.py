"""Look into a dataset's database: which records there are of a label, and pictures of some of them.

Labels are read once a database and kept: from the index beside it (`sources/record_index.py`), from
the keys of an LMDB (`INDEX_LABEL`), or the labels of HDF5 files.  So turning pages reads no record
but those that are shown.
Elsewhere: records one after another (`databases.py`).
"""

from __future__ import annotations

import io
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.caffe.data import datum
from digits.caffe.data.lmdb_file import require_whole
from digits.caffe.errors import CaffeError
from digits.caffe.formats import wire
from digits.caffe.proto.caffe_pb2 import Datum
from digits.errors import ImageError
from digits.images import read_image
from digits.inference.errors import BadRequest
from digits.inference.operations import (
    Database,
    Explore,
    FindRecord,
    Page,
    Place,
    SampleClasses,
    Samples,
    ShowRecord,
    SpreadRecords,
    Thumbnail,
)
from digits.inference.work.databases import hdf5_files
from digits.inference.work.state import State
from digits.sources.record_index import read_index

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

# Pixels of the longer side of a picture in a page.
_THUMB_SIDE = 128
# Smaller pictures are shown as they are stored; larger ones lose nothing that a thumbnail shows.
_PNG_SIDE = 64
_PNG_START = b"\x89PNG\r\n"
_JPEG_START = b"\xff\xd8\xff"
_LARGEST_THUMB_BYTES = 16_384
_MOST_PICTURES = 1000
_KEPT_INDEXES = 4
_MOST_COUNTED = 1 << 16
_OUR_KEY = re.compile(rb"(\d{8,})_(\d{1,9})")


def explore(state: State, request: Explore) -> Page:
    """A page of the records with a label (None: of all)."""
    size = min(request.size, _MOST_PICTURES)
    first = request.page * size
    index = index_of(state, request.database)
    if request.label is None:
        found = len(index.labels)
        numbers = list(range(first, min(first + size, found)))
    else:
        matching = np.flatnonzero(index.labels == request.label)
        found = len(matching)
        numbers = matching[first : first + size].tolist()
    pictures = _thumbnails(index, numbers)
    return Page(len(index.labels), found, _counts(index.labels), pictures)


def sample_classes(state: State, request: SampleClasses) -> Samples:
    """The first records of some labels."""
    index = index_of(state, request.database)
    numbers: list[int] = []
    for label in request.labels:
        matching = np.flatnonzero(index.labels == label)[: request.each]
        numbers += matching[: _MOST_PICTURES - len(numbers)].tolist()
    return Samples(_thumbnails(index, numbers))


def spread_records(state: State, request: SpreadRecords) -> Samples:
    """Records at even distances; each turn begins one further on."""
    index = index_of(state, request.database)
    count = min(request.count, _MOST_PICTURES)
    return Samples(_thumbnails(index, spread(len(index.labels), count, request.turn)))


def spread(total: int, count: int, turn: int) -> list[int]:
    """At most `count` of `total` numbers from 0, at even distances; other ones at each turn."""
    step = total / max(1, min(count, total))
    return [(int(place * step) + turn) % total for place in range(min(count, total))]


def find_record(state: State, request: FindRecord) -> Place:
    """Where a record stands among all, or among those of a label."""
    index = index_of(state, request.database)
    number = request.number
    total = len(index.labels)
    _require_record(number, total)
    if request.label is None:
        neighbours = (number - 1 if number else None, number + 1 if number + 1 < total else None)
        return Place(int(index.labels[number]), number, total, *neighbours)
    alike = np.flatnonzero(index.labels == request.label)
    before, after = alike[alike < number], alike[alike > number]
    return Place(
        label=int(index.labels[number]),
        place=len(before),
        among=len(alike),
        previous=int(before[-1]) if len(before) else None,
        following=int(after[0]) if len(after) else None,
    )


def show_record(state: State, request: ShowRecord) -> Thumbnail:
    """A record's picture in its full size, as a PNG or JPEG."""
    index = index_of(state, request.database)
    number = request.number
    _require_record(number, len(index.labels))
    (stored,) = index.read([number])
    kind, data = _whole(stored)
    return Thumbnail(number, int(index.labels[number]), kind, data)


def _require_record(number: int, total: int) -> None:
    if not 0 <= number < total:
        raise BadRequest(
            f"There is no picture {number}; the database has {total:,}, the first is number 0."
        )


def index_of(state: State, database: Database) -> Index:
    path, backend = database.path, database.backend
    indexes = state.indexes
    try:
        main = path / ("list.txt" if backend == "hdf5" else "data.mdb")
        stat = main.stat()
        key = (str(path), backend, stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if key not in indexes:
            indexes[key] = _Hdf5Index(path) if backend == "hdf5" else _LmdbIndex(path)
            while len(indexes) > _KEPT_INDEXES:
                indexes.popitem(last=False)
    except (OSError, lmdb.Error, KeyError, ValueError) as error:
        raise BadRequest(f"The database {path.name} cannot be read: {error}.") from error
    indexes.move_to_end(key)
    return indexes[key]


# Databases ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """A record: the bytes of an encoded picture, or pixels H x W x C in R,G,B; or why not."""

    encoded: bytes = b""
    pixels: Pixels | None = None
    reason: str = ""


class Index(ABC):
    """A database whose labels are known."""

    labels: Labels

    @abstractmethod
    def read(self, numbers: Sequence[int]) -> list[Stored]:
        """These records; raises BadRequest when the database has become unreadable."""


class _LmdbIndex(Index):
    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as env, env.begin(buffers=True) as reading:
            index = read_index(path, reading.stat()["entries"])
            if index is not None and _has_our_keys(reading, index):
                self.labels, self._keys = index["label"].astype(np.int64), None
                return
        with self._open(readahead=True) as env, env.begin(buffers=True) as reading:
            keys = [bytes(key) for key in reading.cursor().iternext(keys=True, values=False)]
            matches = [_OUR_KEY.fullmatch(key) for key in keys]
            if all(matches):
                labels = [int(match[2]) for match in matches if match]
            else:  # made by another program: the labels stand in the records alone
                labels = [_label(value) for _, value in reading.cursor()]
        self.labels = np.array(labels, np.int64)
        # Kept only where they do not follow from the labels.
        ours = keys == [_our_key(number, label) for number, label in enumerate(labels)]
        self._keys = None if ours else keys

    def read(self, numbers: Sequence[int]) -> list[Stored]:
        try:
            with self._open() as env, env.begin() as reading:
                return [_of_datum(reading.get(self._key(number)) or b"") for number in numbers]
        except lmdb.Error as error:
            raise BadRequest(f"The database cannot be read: {error}.") from error

    def _open(self, *, readahead: bool = False) -> Any:
        """Without reading ahead where a few records are wanted: the system would read megabytes."""
        try:
            require_whole(self._path)
        except ValueError as error:
            raise lmdb.CorruptedError(str(error)) from error
        # Nobody writes any more, so no lock file is needed (nor a writable folder).
        return lmdb.open(str(self._path), readonly=True, lock=False, readahead=readahead)

    def _key(self, number: int) -> bytes:
        if self._keys is not None:
            return self._keys[number]
        return _our_key(number, int(self.labels[number]))


class _Hdf5Index(Index):
    def __init__(self, path: Path) -> None:
        self._files = hdf5_files(path)
        found = []
        for name in self._files:
            with h5py.File(name, "r") as file:
                found.append(np.asarray(file["label"]).reshape(-1).astype(np.int64))
        self.labels = np.concatenate(found) if found else np.zeros(0, np.int64)
        self._ends = np.cumsum([len(labels) for labels in found])

    def read(self, numbers: Sequence[int]) -> list[Stored]:
        stored = []
        try:
            for number in numbers:
                place = int(np.searchsorted(self._ends, number, side="right"))
                start = int(self._ends[place - 1]) if place else 0
                with h5py.File(self._files[place], "r") as file:
                    values = np.asarray(file["data"][number - start], np.float32)
                stored.append(Stored(pixels=_as_pixels(values)))
        except (OSError, KeyError) as error:
            raise BadRequest(f"The database cannot be read: {error}.") from error
        return stored


def _our_key(number: int, label: int) -> bytes:
    return b"%08d_%d" % (number, label)


def _has_our_keys(reading: Any, index: npt.NDArray[np.void]) -> bool:
    """Whether the first and the last key are those that the index says: it is of this database."""
    cursor = reading.cursor()
    ends = [(cursor.first, 0), (cursor.last, len(index) - 1)]
    return all(
        move() and bytes(cursor.key()) == _our_key(number, int(index["label"][number]))
        for move, number in ends
    )


def _label(record: memoryview) -> int:
    """The label of a serialized Datum, without a copy of its picture; 0 for what is none."""
    number = Datum.LABEL_FIELD_NUMBER
    try:
        return next((field.value for field in wire.fields(record) if field.number == number), 0)
    except (ValueError, IndexError):
        return 0


def _counts(labels: Labels) -> dict[int, int]:
    if len(labels) and labels.min() >= 0 and labels.max() < _MOST_COUNTED:  # five times as fast
        found = np.bincount(labels)
        return {number: int(found[number]) for number in np.flatnonzero(found).tolist()}
    numbers, counts = np.unique(labels, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _of_datum(record: bytes) -> Stored:
    try:
        parsed = datum.parse(record, "record")
        if parsed.encoded:
            return Stored(encoded=parsed.data)
        return Stored(pixels=_as_pixels(datum.sample(parsed, "record").values))
    except CaffeError as error:
        return Stored(reason=str(error))


def _as_pixels(values: npt.NDArray[Any]) -> Pixels:
    """An array C x H x W, channels in B,G,R, as a picture; of other numbers of channels the first.

    Values outside of 0 to 255 are stretched to that range.
    """
    if values.ndim != 3:
        values = values.reshape(1, 1, -1)
    if values.dtype != np.uint8:
        values = np.nan_to_num(values.astype(np.float32))
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 255:
            values = (values - low) * (255 / max(high - low, 1e-12))
        values = np.rint(values).astype(np.uint8)
    planes = values[::-1] if values.shape[0] == 3 else values[:1]
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


# Pictures -----------------------------------------------------------------------------------------


def _thumbnails(index: Index, numbers: Sequence[int]) -> tuple[Thumbnail, ...]:
    stored = index.read(numbers)
    return tuple(
        _thumbnail(number, int(index.labels[number]), each)
        for number, each in zip(numbers, stored, strict=True)
    )


def _thumbnail(number: int, label: int, stored: Stored) -> Thumbnail:
    try:
        kind, data = _small(stored)
    except ImageError as error:
        return Thumbnail(number, label, "", b"", str(error))
    return Thumbnail(number, label, kind, data, stored.reason)


def _small(stored: Stored) -> tuple[str, bytes]:
    """A small picture and its kind.  Raises ImageError."""
    kind = _kind(stored.encoded)
    if kind and len(stored.encoded) <= _LARGEST_THUMB_BYTES and max(_size(stored)) <= _THUMB_SIDE:
        return kind, stored.encoded
    image = _image(stored)
    if max(image.size) > _THUMB_SIDE:
        image.thumbnail((_THUMB_SIDE, _THUMB_SIDE), Image.Resampling.BILINEAR)
    return _encoded(image, "png" if max(image.size) <= _PNG_SIDE else "jpeg")


def _whole(stored: Stored) -> tuple[str, bytes]:
    """A picture in its full size, the very file of the record where browsers show that."""
    if stored.reason:
        raise BadRequest(stored.reason)
    if kind := _kind(stored.encoded):
        return kind, stored.encoded
    return _encoded(_image(stored), "png")


def _kind(data: bytes) -> str:
    if data.startswith(_PNG_START):
        return "png"
    return "jpeg" if data.startswith(_JPEG_START) else ""


def _size(stored: Stored) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(stored.encoded)) as image:
            return image.size
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"the picture cannot be read: {error}") from error


def _image(stored: Stored) -> Image.Image:
    if stored.reason:
        raise ImageError(stored.reason)
    pixels = stored.pixels if stored.pixels is not None else read_image(stored.encoded)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _encoded(image: Image.Image, kind: str) -> tuple[str, bytes]:
    file = io.BytesIO()
    image.save(file, kind, quality=85)
    return kind, file.getvalue()
