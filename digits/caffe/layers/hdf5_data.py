"""The HDF5Data layer: rows of HDF5 files, one dataset a top.

Tops: the dataset named like the top, `batch_size` rows of it.  `source` is a text file that lists
HDF5 files; batches run across their borders.  With several processes, each takes every n-th row in
the TRAIN phase.  `shuffle` mixes the order of files and, within each, that of rows.
Source: hdf5_data_layer.cpp, hdf5.cpp.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from digits.caffe.errors import DataError
from digits.caffe.layers.base import Shape, register
from digits.caffe.layers.prefetching_data import (
    BatchSource,
    PrefetchingDataLayer,
    State,
    Top,
    check_batch_size,
    top_of,
)
from digits.caffe.machine.log import at

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]


@register("HDF5Data")
class HDF5DataLayer(PrefetchingDataLayer):
    """Reads rows of HDF5 files."""

    max_tops = None

    def open(self) -> tuple[BatchSource, list[Shape]]:
        """Read the list and the first file."""
        if self.param.HasField("transform_param"):
            raise self.error("HDF5Data does not transform data; remove transform_param")
        param = self.param.hdf5_data_param
        files = _file_list(self.path(param.source))
        check_batch_size(self, param.batch_size)
        source = RowSource(self, files)
        return source, source.shapes()


class RowSource(BatchSource):
    """Batches of rows."""

    def __init__(self, layer: HDF5DataLayer, files: list[str]) -> None:
        param = layer.param.hdf5_data_param
        self._context = context = layer.context
        self._tops = list(layer.param.top)
        self._batch_size = param.batch_size
        self._base = layer.path
        self._files = files
        self._shuffle = param.shuffle
        self._seed = context.random.draw_seed()
        self._rank = context.rank if layer.training else 0
        self._ranks = context.world_size if layer.training else 1
        self._loaded: str | None = None
        self._arrays: list[Floats] = []
        self._rows = np.arange(0)
        self._round = self._file = self._row = self._offset = 0
        self._go_to(round_=0, file=0, row=0, offset=0)

    def shapes(self) -> list[Shape]:
        """The shapes of a batch."""
        return [(self._batch_size, *array.shape[1:]) for array in self._arrays]

    def next_tops(self) -> list[Top]:
        """The next rows, gathered in runs that lie in one file."""
        parts: list[list[Floats]] = [[] for _ in self._tops]
        wanted = self._batch_size
        while wanted:
            rows = self._next_rows(wanted)
            for part, array in zip(parts, self._arrays, strict=True):
                part.append(array[rows])
            wanted -= len(rows)
            if self._row == len(self._rows):
                self._next_file()
        return [top_of(self._context, torch.from_numpy(np.concatenate(part))) for part in parts]

    def state(self) -> State:
        """The place in the round, and what the order of the round depends on."""
        return {
            "round": self._round, "file": self._file, "row": self._row,
            "offset": self._offset, "seed": self._seed,
        }  # fmt: skip

    def restore(self, state: State) -> None:
        """Go to the row of a `state`."""
        self._seed = state["seed"]
        self._go_to(state["round"], state["file"], state["row"], state["offset"])

    def _next_rows(self, wanted: int) -> npt.NDArray[np.intp]:
        """Up to `wanted` row numbers of this rank from this file; the position moves past them."""
        first = self._row + (self._rank - self._offset) % self._ranks
        rows: npt.NDArray[np.intp] = self._rows[first :: self._ranks][:wanted]
        end = first + (len(rows) - 1) * self._ranks + 1 if len(rows) == wanted else len(self._rows)
        self._offset += end - self._row
        self._row = end
        return rows

    def _next_file(self) -> None:
        if self._file + 1 < len(self._files):
            self._go_to(self._round, self._file + 1, 0, self._offset)
        else:
            self._go_to(self._round + 1, 0, 0, self._offset)

    def _go_to(self, round_: int, file: int, row: int, offset: int) -> None:
        self._round, self._file, self._row, self._offset = round_, file, row, offset
        order = np.arange(len(self._files))
        if self._shuffle:
            np.random.default_rng((self._seed, round_)).shuffle(order)
        self._load(self._files[order[file]])
        self._rows = np.arange(len(self._arrays[0]))
        if self._shuffle:
            np.random.default_rng((self._seed, round_, file)).shuffle(self._rows)

    def _load(self, name: str) -> None:
        if name == self._loaded:
            return
        path = self._base(name)
        self._arrays = [_read(path, top) for top in self._tops]
        counts = {top: len(array) for top, array in zip(self._tops, self._arrays, strict=True)}
        if len(set(counts.values())) != 1 or 0 in counts.values():
            raise DataError(f"{path}: the datasets need equally many rows, received {counts}")
        self._loaded = name


def _file_list(path: str) -> list[str]:
    log.info("Loading list of HDF5 filenames from: %s", path, extra=at("hdf5_data_layer.cpp:81"))
    try:
        files = Path(path).read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Failed to open source file: {path} ({error})") from error
    if not files:
        raise DataError(f"{path}: must list one HDF5 file at least, but is empty")
    log.info("Number of HDF5 files: %d", len(files), extra=at("hdf5_data_layer.cpp:95"))
    return files


def _read(path: str, name: str) -> Floats:
    import h5py  # noqa: PLC0415  # slow to load, and few nets read HDF5

    try:
        with h5py.File(path) as file:
            if name not in file:
                raise DataError(
                    f"{path}: there is no dataset {name!r} for the top of that name; "
                    f"it holds {', '.join(file) or 'nothing'}"
                )
            data = np.asarray(file[name])
    except OSError as error:
        raise DataError(f"Failed opening HDF5 file: {path} ({error})") from error
    if data.ndim == 0 or data.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: dataset {name!r} must hold rows of numbers, "
            f"received {data.dtype} {data.shape}"
        )
    return data.astype(np.float32, copy=False)
