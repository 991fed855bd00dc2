"""Write records into HDF5 files that Caffe reads.

Files 00000.h5, 00001.h5, ... of at most 2 GB with `data` (N x C x H x W) and `label` (N), both
float32, and list.txt with their absolute paths.

Elsewhere: what a writer does (`databases.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from digits.base.atomic import write_text
from digits.errors import ToolError

Pixels = NDArray[np.uint8]

HDF5_LIST = "list.txt"
HDF5_FILE_BYTES = 2_000_000_000
_CHUNK_BYTES = 1 << 20
_LABELS_PER_CHUNK = 4096
# What HDF5 writes beside the numbers, generously: an index entry for each of 2000 chunks.
_OVERHEAD_BYTES = 1 << 18


class Hdf5Writer:
    """HDF5 files of float32 pictures, C x H x W each; `final_folder` is where they will lie."""

    def __init__(
        self,
        folder: Path,
        final_folder: Path,
        shape: tuple[int, int, int],
        file_bytes: int = HDF5_FILE_BYTES,
    ) -> None:
        self._folder, self._final_folder, self._shape = folder, final_folder, shape
        picture_bytes = int(np.prod(shape)) * 4
        self._rows_per_file = max(1, file_bytes // picture_bytes)
        self._rows_per_chunk = max(1, min(self._rows_per_file, _CHUNK_BYTES // picture_bytes))
        self._picture_bytes = picture_bytes
        self._file: h5py.File | None = None
        self._descriptor = -1  # of the same file, to reserve room in it
        self._names: list[str] = []
        self._rows = 0  # in the current file

    def add(self, records: Sequence[bytes | memoryview], labels: Sequence[int]) -> None:
        """Append pictures given as the bytes of C x H x W, uint8."""
        pictures = np.frombuffer(b"".join(records), np.uint8).reshape(-1, *self._shape)
        start = 0
        while start < len(pictures):
            file = self._file_with_room()
            count = min(len(pictures) - start, self._rows_per_file - self._rows)
            self._append(file, pictures[start : start + count], labels[start : start + count])
            start += count

    def finish(self) -> None:
        """Close the files, write the list, and flush all to disk."""
        self.close()
        for name in self._names:
            _sync_file(self._folder / name)
        paths = "".join(f"{self._final_folder.absolute() / name}\n" for name in self._names)
        write_text(self._folder / HDF5_LIST, paths)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            os.close(self._descriptor)

    def _file_with_room(self) -> h5py.File:
        if self._file is not None and self._rows < self._rows_per_file:
            return self._file
        self.close()
        name = f"{len(self._names):05d}.h5"
        self._names.append(name)
        self._file = h5py.File(self._folder / name, "w")
        self._descriptor = os.open(self._folder / name, os.O_RDWR)
        self._rows = 0
        for dataset, shape, rows in (
            ("data", self._shape, self._rows_per_chunk),
            ("label", (), _LABELS_PER_CHUNK),
        ):
            self._file.create_dataset(
                dataset, (0, *shape), np.float32, maxshape=(None, *shape), chunks=(rows, *shape)
            )
        return self._file

    def _append(self, file: h5py.File, pictures: Pixels, labels: Sequence[int]) -> None:
        end = self._rows + len(pictures)
        self._reserve(end)
        for dataset, values in (("data", pictures), ("label", labels)):
            file[dataset].resize(end, axis=0)
            file[dataset][self._rows : end] = values
        self._rows = end

    def _reserve(self, rows: int) -> None:
        """Make room for `rows` in the current file.

        HDF5 does not survive a full disk: it crashes when it lets go of what it could not write.
        """
        chunks = -(-rows // self._rows_per_chunk) * self._rows_per_chunk
        try:
            os.posix_fallocate(
                self._descriptor, 0, chunks * (self._picture_bytes + 4) + _OVERHEAD_BYTES
            )
        except OSError as error:
            raise ToolError(f"The database cannot be written: {error.strerror}.") from error


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
