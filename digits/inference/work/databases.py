"""Records of a dataset's database, a run at a time, from where the last run ended.

LMDB and LevelDB are gone through by their keys, HDF5 files by the number of the record.
Source of the formats: `digits.caffe.data`, Caffe's HDF5Data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from digits.base.job_files import read_text, require_file
from digits.caffe.data import datum, db
from digits.caffe.data.datum import Sample
from digits.caffe.data.lmdb_file import require_whole
from digits.caffe.errors import CaffeError
from digits.caffe.proto import caffe_pb2
from digits.inference.errors import BadRequest
from digits.inference.operations import Database

_HDF5_LIST = "list.txt"
# What is held of raw records while they wait for their turn.
_LARGEST_RUN_BYTES = 64 << 20


@dataclass(frozen=True)
class Record:
    """A picture that is not decoded yet (in a Datum), or an array; its key and its class."""

    key: str
    value: caffe_pb2.Datum | Sample
    label: int

    def read(self) -> Sample:
        """The values.  Raises DataError."""
        if isinstance(self.value, Sample):
            return self.value
        return datum.sample(self.value, self.key)


@dataclass(frozen=True)
class Run:
    """Some records, and the position of the next one (None: there is none)."""

    records: list[Record]
    position: str | None


def read_run(database: Database, position: str, count: int) -> Run:
    """At most `count` records from `position` ("" is the first) on, fewer where they are large.

    Raises BadRequest when the database cannot be read.
    """
    try:
        if database.backend == "hdf5":
            return _hdf5_run(database.path, int(position or 0), count)
        if database.backend == "lmdb":
            require_whole(database.path)
        return _key_value_run(database, position, count)
    except (CaffeError, OSError, ValueError) as error:
        raise BadRequest(f"The database cannot be read: {error}.") from error


def _key_value_run(database: Database, position: str, count: int) -> Run:
    records: list[Record] = []
    with db.Reader(str(database.path), database.backend) as reader:
        reader.seek(position.encode("latin-1"), 0)
        size = 0
        while len(records) < count and size < _LARGEST_RUN_BYTES:
            key, value = reader.record()
            name = key.decode("latin-1")
            parsed = datum.parse(value, name)
            records.append(Record(name, parsed, parsed.label))
            size += len(value)
            if reader.advance():
                return Run(records, None)
        return Run(records, reader.key().decode("latin-1"))


def _hdf5_run(path: Path, position: int, count: int) -> Run:
    records: list[Record] = []
    number = 0
    for file_name in hdf5_files(path):
        require_file(file_name)
        with h5py.File(file_name, "r") as file:
            size = len(file["data"])
            record_bytes = 4 * int(np.prod(file["data"].shape[1:]))
            count = max(1, min(count, _LARGEST_RUN_BYTES // record_bytes))
            first, last = max(0, position - number), min(size, position + count - number)
            if first < last:
                records.extend(_hdf5_records(file, number, first, last))
            number += size
    end = position + len(records)
    return Run(records, str(end) if end < number else None)


def _hdf5_records(file: h5py.File, number: int, first: int, last: int) -> Iterator[Record]:
    values = np.asarray(file["data"][first:last], dtype=np.float32)
    labels = np.asarray(file["label"][first:last]).reshape(-1).astype(int)
    for place in range(last - first):
        key = f"{number + first + place:08d}"
        yield Record(key, Sample(values[place], False, key), int(labels[place]))


def hdf5_files(path: Path) -> list[Path]:
    """The files that a list names; those beside it first, for a dataset that was moved."""
    if path.is_dir():
        path = path / _HDF5_LIST
    named = [Path(line.strip()) for line in read_text(path).splitlines() if line.strip()]
    beside = [path.parent / file.name for file in named]
    return [
        near if near.exists() else path.parent / file
        for near, file in zip(beside, named, strict=True)
    ]
