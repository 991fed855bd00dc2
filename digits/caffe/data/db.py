"""Key-value databases of records: LMDB, and LevelDB where plyvel is installed.

In: a folder.  Out: a `Reader` that gives records in the order of their keys, round and round, or a
`Writer`.  What a record holds is not looked at here (`datum.py`).

A process may open an LMDB or a LevelDB only once, but the nets of a solver often share one: readers
of one folder share its environment.  Sources: db_lmdb.cpp, db_leveldb.cpp, data_layer.cpp.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb

from digits.caffe.data.lmdb_file import require_whole
from digits.caffe.errors import DataError
from digits.caffe.machine.log import at

log = logging.getLogger(__name__)

LMDB, LEVELDB = "lmdb", "leveldb"
BACKENDS = (LMDB, LEVELDB)
Record = tuple[bytes, bytes]

_FIRST_MAP_SIZE = 1 << 30
_MAX_KEPT_PUTS = 1000


class Reader:
    """Records in key order; after the last comes the first again.

    `offset` counts the records passed since the start (it goes on counting after the last one).
    """

    def __init__(self, path: str, backend: str = LMDB) -> None:
        """Raises DataError if there is no such database, or it is empty."""
        self.path = path
        self._shared = _share(path, backend)
        self._cursor = self._shared.cursor()
        self.offset = 0
        if not self._cursor.first():
            self.close()
            raise DataError(
                f"{path}: the {backend} database is empty; it needs one record at least"
            )

    def __len__(self) -> int:
        return self._shared.count()

    def record(self) -> Record:
        """The record under the cursor, which stays where it is."""
        return self._cursor.record()

    def key(self) -> bytes:
        """The key under the cursor."""
        return self._cursor.key()

    def advance(self) -> bool:
        """Go to the next record; True when that meant starting from the first one again."""
        self.offset += 1
        if self._cursor.next():
            return False
        self._cursor.first()
        return True

    def seek(self, key: bytes, offset: int) -> None:
        """Go to `key`, or the first one after it; the first of all when there is none."""
        self.offset = offset
        if not self._cursor.seek(key):
            self._cursor.first()

    def records(self) -> Iterator[Record]:
        """Every record once, from the first on."""
        self.seek(b"", 0)
        while True:
            yield self.record()
            if self.advance():
                return

    def close(self) -> None:
        """Let go of the database; the last reader of a folder closes it."""
        self._cursor.close()
        self._shared.release()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Cursor(ABC):
    """Where a reader is; `first`, `next` and `seek` say whether there is a record."""

    @abstractmethod
    def first(self) -> bool: ...

    @abstractmethod
    def next(self) -> bool: ...

    @abstractmethod
    def seek(self, key: bytes) -> bool: ...

    @abstractmethod
    def record(self) -> Record: ...

    @abstractmethod
    def key(self) -> bytes: ...

    @abstractmethod
    def close(self) -> None: ...


class _LmdbCursor(_Cursor):
    def __init__(self, env: Any) -> None:
        self._transaction = env.begin()
        self._cursor = self._transaction.cursor()

    def first(self) -> bool:
        return bool(self._cursor.first())

    def next(self) -> bool:
        return bool(self._cursor.next())

    def seek(self, key: bytes) -> bool:
        return bool(self._cursor.set_range(key))

    def record(self) -> Record:
        key, value = self._cursor.item()
        return key, value

    def key(self) -> bytes:
        return bytes(self._cursor.key())

    def close(self) -> None:
        self._transaction.abort()


class _LevelDbCursor(_Cursor):
    def __init__(self, db: Any) -> None:
        self._iterator = db.raw_iterator()

    def first(self) -> bool:
        self._iterator.seek_to_first()
        return bool(self._iterator.valid())

    def next(self) -> bool:
        self._iterator.next()
        return bool(self._iterator.valid())

    def seek(self, key: bytes) -> bool:
        self._iterator.seek(key)
        return bool(self._iterator.valid())

    def record(self) -> Record:
        return self._iterator.key(), self._iterator.value()

    def key(self) -> bytes:
        return bytes(self._iterator.key())

    def close(self) -> None:
        self._iterator.close()


class _Shared:
    """An open database and how many readers use it."""

    def __init__(self, real_path: str, path: str, backend: str) -> None:
        self.real_path = real_path
        self.readers = 0
        self._backend = backend
        self._db = _open_lmdb(path) if backend == LMDB else _open_leveldb(path)

    def cursor(self) -> _Cursor:
        return _LmdbCursor(self._db) if self._backend == LMDB else _LevelDbCursor(self._db)

    def count(self) -> int:
        if self._backend == LMDB:
            return int(self._db.stat()["entries"])
        with self._db.iterator(include_value=False) as keys:
            return sum(1 for _ in keys)

    def release(self) -> None:
        with _opened_lock:
            self.readers -= 1
            if self.readers == 0:
                del _opened[self.real_path]
                self._db.close()


_opened: dict[str, _Shared] = {}
_opened_lock = threading.Lock()  # guards _opened and the counts of readers in it


def _share(path: str, backend: str) -> _Shared:
    if backend not in BACKENDS:
        raise DataError(f"unknown database backend {backend!r}; known are {', '.join(BACKENDS)}")
    real_path = os.path.realpath(path)
    with _opened_lock:
        shared = _opened.get(real_path)
        if shared is None:
            shared = _opened[real_path] = _Shared(real_path, path, backend)
        shared.readers += 1
    log.info("Opened %s %s", backend, path, extra=at(f"db_{backend}.cpp:35"))
    return shared


def _open_lmdb(path: str) -> Any:
    _check_exists(path, "data.mdb", "LMDB")
    try:
        # Reading what is not there would end the process by SIGBUS.
        require_whole(Path(path))
        # Nobody writes while a net reads, so no lock file is needed (nor a writable folder).
        return lmdb.open(
            path, readonly=True, lock=False, subdir=os.path.isdir(path), max_spare_txns=4
        )
    except (lmdb.Error, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot open the LMDB: {error}") from error


def _open_leveldb(path: str) -> Any:
    plyvel = _plyvel()
    _check_exists(path, "CURRENT", "LevelDB")
    try:
        return plyvel.DB(path, create_if_missing=False)
    except (plyvel.Error, OSError) as error:
        raise DataError(f"{path}: cannot open the LevelDB: {error}") from error


def _check_exists(path: str, inside: str, kind: str) -> None:
    if not path:
        raise DataError(f"no {kind} is named: `source` is empty")
    if not os.path.exists(path):
        raise DataError(
            f"{path}: No such file or directory; `source` must name the folder of a {kind} "
            f"(working directory: {os.getcwd()})"
        )
    if os.path.isdir(path) and not os.path.exists(os.path.join(path, inside)):
        raise DataError(f"{path}: this folder is no {kind}: it holds no {inside}")


def _plyvel() -> Any:
    try:
        # Optional: few databases are LevelDB today.
        import plyvel  # noqa: PLC0415
    except ImportError as error:
        raise DataError(
            "backend LEVELDB needs the package plyvel, which is not installed; "
            "install it, or make the database an LMDB"
        ) from error
    return plyvel


class Writer:
    """Writes a new database; records become visible with `commit`, at the latest with `close`."""

    def __init__(self, path: str, backend: str = LMDB) -> None:
        """Raises DataError if the folder exists already or cannot be made."""
        self.path = path
        self._puts: list[Record] = []
        self._write, self._close = _make_database(path, backend)
        log.info("Opened %s %s", backend, path, extra=at(f"db_{backend}.cpp:35"))

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record; keys must not repeat."""
        self._puts.append((key, value))
        if len(self._puts) >= _MAX_KEPT_PUTS:
            self.commit()

    def commit(self) -> None:
        """Write what was put so far."""
        if self._puts:
            self._write(self._puts)
            self._puts = []

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.commit()
        self._close()


def _make_database(
    path: str, backend: str
) -> tuple[Callable[[list[Record]], None], Callable[[], None]]:
    if backend not in BACKENDS:
        raise DataError(f"unknown database backend {backend!r}; known are {', '.join(BACKENDS)}")
    if os.path.exists(path):
        raise DataError(f"{path}: exists already; remove it or choose another name")
    try:
        return _make_lmdb(path) if backend == LMDB else _make_leveldb(path)
    except (OSError, lmdb.Error) as error:
        raise DataError(f"{path}: cannot make the database: {error}") from error


def _make_lmdb(path: str) -> tuple[Callable[[list[Record]], None], Callable[[], None]]:
    Path(path).mkdir()
    env = lmdb.open(path, map_size=_FIRST_MAP_SIZE)

    def write(puts: list[Record]) -> None:
        while True:
            try:
                with env.begin(write=True) as transaction:
                    transaction.cursor().putmulti(puts)
                return
            except lmdb.MapFullError:
                env.set_mapsize(env.info()["map_size"] * 2)
            except lmdb.Error as error:
                raise DataError(f"{path}: cannot write: {error}") from error

    return write, env.close


def _make_leveldb(path: str) -> tuple[Callable[[list[Record]], None], Callable[[], None]]:
    db = _plyvel().DB(path, create_if_missing=True, error_if_exists=True)

    def write(puts: list[Record]) -> None:
        with db.write_batch() as batch:
            for key, value in puts:
                batch.put(key, value)

    return write, db.close
