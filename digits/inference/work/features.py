"""Write what a network makes of every picture of a database into one HDF5 file.

REQUEST is a JSON file; paths in it are absolute:

    network       as `digits.inference.operations.Network` has it
    database, backend, count     a dataset's database: its path, "lmdb" or "hdf5", its pictures
    list          the list that the database was made from, for the pictures' names
    blob          which of the network's blobs
    memory_mb     what the network may take

  python -m digits.inference.work.features request.json

Written: `features.h5`, whole or not at all (`digits.inference.feature_file` says what is in it).
It runs at low priority.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from digits.base.priority import lower_priority
from digits.base.program import run_program
from digits.base.progress import ProgressMeter, log, log_skipped
from digits.caffe.data.datum import Sample
from digits.caffe.errors import CaffeError
from digits.errors import ImageError, ToolError
from digits.inference.errors import BadNetwork, BadRequest
from digits.inference.feature_file import FEATURES_FILE, PART_FILE
from digits.inference.operations import Database, Network
from digits.inference.operations.messages import from_json
from digits.inference.work.databases import Record, read_run
from digits.inference.work.limits import MemoryExhausted, limit_memory, memory_errors
from digits.inference.work.loaded import LoadedNetwork
from digits.sources.record_index import entry_of

Floats = npt.NDArray[np.float32]

NICENESS = 10
# Names of pictures, and what HDF5 itself takes, a record.
_OTHER_BYTES = 200


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.inference.work.features",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("request", type=Path, metavar="REQUEST")
    options = parser.parse_args()
    lower_priority(NICENESS)
    run_program(lambda: write_features(json.loads(options.request.read_text()), Path.cwd()))


def write_features(request: Mapping[str, Any], folder: Path) -> str:
    """Write the file that the request asks for into `folder`; answers what it holds, in words.

    Raises ToolError.
    """
    limit_memory(request["memory_mb"])
    part = folder / PART_FILE
    try:
        with memory_errors(request["memory_mb"]):
            shape = _write(request, part)
        part.rename(folder / FEATURES_FILE)
    except (BadNetwork, BadRequest, MemoryExhausted) as error:
        raise ToolError(str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return f"{' x '.join(map(str, shape))} values in {FEATURES_FILE}."


def _write(request: Mapping[str, Any], part: Path) -> tuple[int, ...]:
    network = from_json(Network, request["network"])
    log.info("Loading %s", network.weights.name)
    maker = _Maker(LoadedNetwork(network), request["blob"])
    shape = (int(request["count"]), *maker.shape)
    _require_room(part.parent, shape)
    try:
        with h5py.File(part, "w") as file:
            _fill(_Written.create(file, shape, maker.labels), maker, request)
    except (OSError, RuntimeError) as error:
        raise ToolError(f"{FEATURES_FILE} cannot be written: {error}") from error
    return shape


def _require_room(folder: Path, shape: Sequence[int]) -> None:
    needed = 4 * math.prod(shape) + _OTHER_BYTES * shape[0]
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ToolError(
            f"The features take {needed / 1e6:,.0f} MB, and the disk has {free / 1e6:,.0f} MB "
            "left. Choose a layer with fewer values, or make room."
        )


@dataclass(frozen=True)
class _Written:
    """The datasets of the file."""

    features: h5py.Dataset
    labels: h5py.Dataset
    names: h5py.Dataset

    @classmethod
    def create(cls, file: h5py.File, shape: tuple[int, ...], categories: Sequence[str]) -> _Written:
        text = h5py.string_dtype()
        file.create_dataset("categories", data=list(categories), dtype=text)
        return cls(
            file.create_dataset("features", shape, np.float32),
            file.create_dataset("labels", shape[:1], np.int64),
            file.create_dataset("names", shape[:1], text),
        )

    def put(self, first: int, features: Floats, labels: Sequence[int], names: list[str]) -> None:
        """Write a run of records from number `first` on."""
        end = first + len(features)
        self.features[first:end] = features
        self.labels[first:end] = labels
        self.names[first:end] = names


def _fill(written: _Written, maker: _Maker, request: Mapping[str, Any]) -> None:
    path, total = Path(request["database"]), int(request["count"])
    meter = ProgressMeter("pictures", total)
    number = 0
    for records in _runs(Database(path, request["backend"]), maker.batch_size):
        records = records[: total - number]
        named = [_name(path, request["list"], number + n) for n in range(len(records))]
        features = maker.features(records, named)
        written.put(number, features, [record.label for record in records], named)
        number += len(records)
        meter.add(len(records))
    meter.finish()
    if number < total:
        raise ToolError(f"The database {path.name} has {number:,} pictures, not {total:,}.")


def _runs(database: Database, size: int) -> Iterator[list[Record]]:
    """All records, so many at a time."""
    position: str | None = ""
    while position is not None:
        run = read_run(database, position, size)
        yield run.records
        position = run.position


def _name(database: Path, list_path: str, number: int) -> str:
    """What the picture was called in the list; empty where nobody knows."""
    entry = entry_of(database, Path(list_path), number)
    return entry.path if entry is not None else ""


class _Maker:
    """Runs a network, and takes what one of its blobs holds."""

    def __init__(self, network: LoadedNetwork, blob: str) -> None:
        """Raises BadNetwork when the network has no such blob."""
        net = network.net
        makers = [
            index for index, layer in enumerate(net.layer_dict) if blob in net.top_names[layer]
        ]
        if not makers:
            raise BadNetwork(f"The network has no blob {blob!r}; it has {', '.join(net.blobs)}.")
        self._network, self._blob, self._maker = network, blob, makers[-1]
        self._values: Floats | None = None
        net.after_forward(self._after_layer)
        self.shape = tuple(net.blobs[blob].shape[1:])
        self.labels = network.labels
        self.batch_size = network.batch_size

    def features(self, records: Sequence[Record], names: Sequence[str]) -> Floats:
        """Of some records, (n, ...); NaN for one that cannot be read, which the log names."""
        samples, rows = [], []
        for row, (record, name) in enumerate(zip(records, names, strict=True)):
            sample = _sample(record, name)
            if sample is not None:
                samples.append(sample)
                rows.append(row)
        found = np.full((len(records), *self.shape), np.nan, np.float32)
        if samples:
            self._network.preparer.batch(samples, self._network.input(len(samples)))
            self._network.scores(len(samples))
            found[rows] = self._values
        return found

    def _after_layer(self, index: int) -> None:
        if index == self._maker:
            values = self._network.net.blobs[self._blob].tensor().detach()
            # A copy: a later layer may work in its memory.
            self._values = np.array(values.numpy(), np.float32)


def _sample(record: Record, name: str) -> Sample | None:
    try:
        return record.read()
    except (CaffeError, ImageError) as error:
        log_skipped(name or record.key, str(error))
        return None


if __name__ == "__main__":
    main()
