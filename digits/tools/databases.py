"""Write records into a database that Caffe reads: what a writer does, and the one for LMDB.

The key is `%08d_%d` (index, label), the value a serialized Datum.  Pages are reserved as needed, so
the file and its map are as large as the content.

Elsewhere: the writer for HDF5 (`hdf5_writer.py`), and that a database's folder is whole or absent
(`building.py`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import lmdb

from digits.errors import ToolError

# One commit for many records: single puts are eight times slower.  All records of a transaction
# are held in memory, and the workers stand still when a commit takes longer than they work ahead.
_TRANSACTION_BYTES = 1 << 23
_TRANSACTION_RECORDS = 10_000
_PAGE_BYTES = 4096
# LMDB's files, those of `hdf5_writer.py`, and that of `sources/record_index.py`.
_FILE_NAME = re.compile(r"data\.mdb|lock\.mdb|\d{5,}\.h5|list\.txt|records\.bin")


def is_database_file(name: str) -> bool:
    """Whether a file of that name belongs to a database of either kind."""
    return _FILE_NAME.fullmatch(name) is not None


class DatabaseWriter(Protocol):
    """Takes records in order."""

    def add(self, records: Sequence[bytes | memoryview], labels: Sequence[int]) -> None:
        """Append records with their labels."""

    def finish(self) -> None:
        """Flush everything to disk."""

    def close(self) -> None:
        """Let go of the files, finished or not."""


class LmdbWriter:
    """An LMDB of at most `records` Datums, none larger than `record_bytes`."""

    def __init__(self, folder: Path, record_bytes: int, records: int) -> None:
        # LMDB rounds large values up to whole pages, and may leave half of a page of small ones.
        stored_bytes = 2 * record_bytes + 2 * _PAGE_BYTES
        transaction_bytes = 2 * _TRANSACTION_BYTES + stored_bytes
        self._reserve_bytes = min(transaction_bytes, stored_bytes * records) + (1 << 20)
        self._map_bytes = self._reserve_bytes
        # No flush at each commit: an unfinished database is thrown away anyway.
        self._env = lmdb.open(str(folder), map_size=self._map_bytes, sync=False, metasync=False)
        self._transaction: lmdb.Transaction | None = None
        self._bytes_waiting = self._records_waiting = self._count = 0

    def add(self, records: Sequence[bytes | memoryview], labels: Sequence[int]) -> None:
        """Append serialized Datums.  Raises ToolError when the disk is full."""
        with _lmdb_errors():
            for record, label in zip(records, labels, strict=True):
                self._put(f"{self._count:08d}_{label}".encode(), record)
                self._count += 1

    def finish(self) -> None:
        """Commit what is waiting and flush it to disk."""
        with _lmdb_errors():
            self._commit()
            self._env.sync(True)

    def close(self) -> None:
        if self._transaction is not None:
            self._transaction.abort()
            self._transaction = None
        self._env.close()

    def _put(self, key: bytes, record: bytes | memoryview) -> None:
        if self._transaction is None:
            self._reserve()
            self._transaction = self._env.begin(write=True)
        # Appending fills pages to the end; keys are in order as long as the index has 8 digits.
        self._transaction.put(key, record, append=self._count < 10**8)
        self._bytes_waiting += len(record)
        self._records_waiting += 1
        if (
            self._bytes_waiting >= _TRANSACTION_BYTES
            or self._records_waiting >= _TRANSACTION_RECORDS
        ):
            self._commit()

    def _reserve(self) -> None:
        """Make the map large enough for a transaction; it cannot grow during one."""
        needed = (self._env.info()["last_pgno"] + 1) * _PAGE_BYTES + self._reserve_bytes
        if needed > self._map_bytes:
            self._map_bytes = max(needed, self._map_bytes * 5 // 4)
            self._env.set_mapsize(self._map_bytes)

    def _commit(self) -> None:
        if self._transaction is not None:
            self._transaction.commit()
            self._transaction = None
        self._bytes_waiting = self._records_waiting = 0


@contextlib.contextmanager
def _lmdb_errors() -> Iterator[None]:
    try:
        yield
    except lmdb.DiskError as error:
        raise ToolError(f"The database cannot be written: {error}.") from error
    except lmdb.Error as error:
        raise ToolError(f"The database cannot be written: {error}. Is the disk full?") from error
