"""Features of all records of a database, kept in a folder: whole, or not there.

In: a folder, the digest of all that the features depend on, and a function that makes them.  Out:
arrays (variants, records, *shape), mapped from their files.  Two that ask for the same at once make
it once: the second one waits.  What a killed one has left is removed by the next.
Elsewhere: what features are (`nets/frozen.py`).
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from digits.caffe.formats.files import sync_folder

Array = npt.NDArray[np.float32]
INFO_FILE = "info.json"
PART, LOCK = ".part-", ".lock-"
POLL_S = 0.2
# Snapshots, and others, need room as well.
MOST_OF_FREE = 0.5


@dataclass(frozen=True)
class Wanted:
    """Features by their digest; `shapes` are those of one record, `about` is kept for people."""

    digest: str
    variants: int
    records: int
    names: Sequence[str]
    shapes: Sequence[tuple[int, ...]]

    @property
    def size_bytes(self) -> int:
        """Of all arrays together."""
        values = sum(math.prod(shape) for shape in self.shapes)
        return 4 * values * self.variants * self.records

    @property
    def array_shapes(self) -> list[tuple[int, ...]]:
        return [(self.variants, self.records, *shape) for shape in self.shapes]


class NoRoom(OSError):
    """The disk has not enough room for the features."""


class FeatureStore:
    """The features in a folder, which is made when it is needed first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, wanted: Wanted) -> list[Array] | None:
        """The arrays, when they are there and as they should be."""
        place = self._folder / wanted.digest
        try:
            json.loads((place / INFO_FILE).read_text("utf-8"))
            arrays = [
                np.load(place / f"{number}.npy", mmap_mode="r")
                for number in range(len(wanted.shapes))
            ]
        except (OSError, ValueError, EOFError):
            return None
        fits = all(
            array.shape == shape and array.dtype == np.float32
            for array, shape in zip(arrays, wanted.array_shapes, strict=True)
        )
        return arrays if fits else None

    @contextmanager
    def turn(self, wanted: Wanted, waiting: Callable[[], None]) -> Iterator[None]:
        """In the block, nobody else makes these features; `waiting` is called while one does.

        Raises OSError when the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / f"{LOCK}{wanted.digest}", "w") as file:
            _lock(file, waiting)
            yield

    def write(self, wanted: Wanted, batches: Iterable[Sequence[Array]]) -> list[Array]:
        """Write the features as they come, variant after variant, and give them as `find` does.

        Only in the block of `turn`.  Raises NoRoom before anything is written, OSError while it is;
        nothing is left then.
        """
        self._remove_leftovers(wanted)
        _require_room(self._folder, wanted.size_bytes)
        part = self._folder / f"{PART}{wanted.digest}-{os.getpid()}"
        part.mkdir()
        try:
            _write_files(part, wanted, batches)
            os.rename(part, self._folder / wanted.digest)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        sync_folder(self._folder)
        with suppress(OSError):
            (self._folder / f"{LOCK}{wanted.digest}").unlink()
        arrays = self.find(wanted)
        if arrays is None:
            raise OSError(f"the features in {self._folder / wanted.digest} cannot be read again")
        return arrays

    def _remove_leftovers(self, wanted: Wanted) -> None:
        """What is there cannot be used, and what was begun nobody ends."""
        for path in self._folder.glob(f"{PART}{wanted.digest}-*"):
            shutil.rmtree(path, ignore_errors=True)
        place = self._folder / wanted.digest
        if place.exists():
            shutil.rmtree(place)


def _lock(file: IO[str], waiting: Callable[[], None]) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waiting()
            time.sleep(POLL_S)
        except OSError:
            return  # a file system without locks: two make the same, and one of them stays


def _require_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if size_bytes > MOST_OF_FREE * free:
        raise NoRoom(
            f"they take {size_bytes / 1e6:,.0f} MB, more than half of the {free / 1e6:,.0f} MB "
            "that the disk has left"
        )


def _write_files(folder: Path, wanted: Wanted, batches: Iterable[Sequence[Array]]) -> None:
    """As a stream: writing to a mapped file when the disk is full would end the process."""
    with ExitStack() as stack:
        files = [
            stack.enter_context(open(folder / f"{number}.npy", "wb"))
            for number in range(len(wanted.shapes))
        ]
        for file, shape in zip(files, wanted.array_shapes, strict=True):
            head = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, head)
        for batch in batches:
            for file, values in zip(files, batch, strict=True):
                file.write(np.ascontiguousarray(values, "<f4").data)
        for file in files:
            file.flush()
            os.fsync(file.fileno())
    info = {
        "names": list(wanted.names),
        "shapes": [list(shape) for shape in wanted.array_shapes],
    }
    (folder / INFO_FILE).write_text(json.dumps(info) + "\n", "utf-8")
