"""Explore a database of a million pictures: how long a page takes, and what is read for it.

    python -m benchmarks.explore [--pictures 1000000] [--folder DIR]

Makes an LMDB of tiny pictures (`--folder` keeps it for another run) and asks a worker's own code
for the first page, one in the middle, the last, and pages of one category.  Before each, all that
the system keeps of the files in memory is dropped; what is there afterwards was read from the disk,
with what it reads ahead by itself.  "again" is the same page once the worker knows the labels.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from digits.caffe.proto.caffe_pb2 import Datum
from digits.images import encode_picture
from digits.inference.operations import Database, Explore, FindRecord, Page, Place
from digits.inference.work.exploring import explore, find_record
from digits.inference.work.state import State
from digits.sources.record_index import INDEX_FILE, RecordIndexWriter
from digits.tools.databases import LmdbWriter

CATEGORIES = 1000
SIDE = 8
PAGE_SIZE = 60
AGAIN = 5
_BATCH = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the database is made, and kept")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = make_database(folder / "train_db", options.pictures)
        sizes = [path.stat().st_size / 1e6 for path in files_of(database)]
        print(f"{options.pictures:,} pictures; {' and '.join(f'{size:.0f} MB' for size in sizes)}")
        print(f"{'':28}{'first':>10}{'read':>12}{'again':>10}")
        for words, ask in questions(Database(database), options.pictures):
            print_line(words, database, ask)


def questions(
    database: Database, pictures: int
) -> list[tuple[str, Callable[[State], Page | Place]]]:
    """What a reader of Explore asks for."""
    pages = -(-pictures // PAGE_SIZE)
    of_label = max(1, pictures // CATEGORIES // PAGE_SIZE)
    return [
        *(
            (
                words,
                lambda state, page=page: explore(state, Explore(database, None, page, PAGE_SIZE)),
            )
            for words, page in (
                ("the first page", 0),
                ("a page in the middle", pages // 2),
                ("the last page", pages - 1),
            )
        ),
        *(
            (words, lambda state, page=page: explore(state, Explore(database, 7, page, PAGE_SIZE)))
            for words, page in (
                ("of a category, the first", 0),
                ("of a category, a late one", of_label - 1),
            )
        ),
        (
            "the neighbours of a picture",
            lambda state: find_record(state, FindRecord(database, pictures // 2, 7)),
        ),
    ]


def print_line(words: str, database: Path, ask: Callable[[State], Page | Place]) -> None:
    """Ask a worker that knows nothing, then the same one again."""
    for path in files_of(database):
        forget(path)
    state = State()
    first_s = seconds(lambda: ask(state))
    read = sum(resident_bytes(path) for path in files_of(database))
    again_s = statistics.median(seconds(lambda: ask(state)) for _ in range(AGAIN))
    print(f"{words:28}{1000 * first_s:>7.0f} ms{read / 1e6:>9.1f} MB{1000 * again_s:>7.1f} ms")


def make_database(folder: Path, pictures: int) -> Path:
    """An LMDB as DIGITS writes it, of tiny pictures in random order."""
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    labels = random.integers(0, CATEGORIES, pictures)
    png = encode_picture(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), "png")
    datum = Datum(channels=3, height=SIDE, width=SIDE, data=png, encoded=True)
    record_bytes = len(datum.SerializeToString()) + 8
    with closing(LmdbWriter(folder, record_bytes, pictures)) as writer:
        with RecordIndexWriter(folder) as index:
            for first in range(0, pictures, _BATCH):
                some = labels[first : first + _BATCH].tolist()
                writer.add([record(datum, label) for label in some], some)
                index.add(list(range(first, first + len(some))), some)
        writer.finish()
    return folder


def record(datum: Datum, label: int) -> bytes:
    datum.label = label
    return datum.SerializeToString()


def files_of(database: Path) -> list[Path]:
    return [database / "data.mdb", database / INDEX_FILE]


def forget(path: Path) -> None:
    """Drop what the system keeps of a file in memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def resident_bytes(path: Path) -> int:
    """What of a file is in memory now (mincore)."""
    pages = -(-path.stat().st_size // mmap.PAGESIZE)
    found = (ctypes.c_ubyte * pages)()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        view = ctypes.c_char.from_buffer(mapped)
        ctypes.CDLL(None).mincore(
            ctypes.c_void_p(ctypes.addressof(view)), ctypes.c_size_t(len(mapped)), found
        )
        del view
    return sum(each & 1 for each in found) * mmap.PAGESIZE


def seconds(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
