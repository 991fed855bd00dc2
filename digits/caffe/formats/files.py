"""Files that are written whole or not at all: a temporary name, flushed to disk, then renamed.

A writer holds a lock on its temporary file.  A second one at the same time, of this process or
another, sees that and takes another name.  The system lets go of the lock of a writer that is
killed, so it leaves one hidden file at most, which the next one overwrites.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# `struct flock` for all of a file.  These locks belong to the opened file, not to the process, and
# are not those of HDF5 (flock), which locks what it writes itself.
_WHOLE_FILE = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


@contextmanager
def written_whole(path: str | Path, sync: Callable[[int], None] = os.fsync) -> Iterator[str]:
    """Gives the name of a temporary, empty file; leaving the block puts it, flushed, at `path`.

    Leaving it by an exception removes it, and `path` stays as it was.  `sync(descriptor)` flushes
    the file and its folder.  Raises OSError.
    """
    path = Path(path)
    descriptor, part = _claimed(path)
    try:
        yield str(part)
        _flush(part, os.O_RDWR, sync)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    finally:
        os.close(descriptor)
    sync_folder(path.parent, sync)


def sync_folder(folder: str | Path, sync: Callable[[int], None] = os.fsync) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    _flush(folder, os.O_RDONLY, sync)


def _claimed(path: Path, number: int = 1) -> tuple[int, Path]:
    """An empty file beside `path` that no other writer has, and the descriptor that keeps it so."""
    part = path.with_name(f".{path.name}{'' if number == 1 else f'.{number}'}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        free = _is_locked_now(descriptor)
        if free and _is_at(descriptor, part):
            os.ftruncate(descriptor, 0)
            return descriptor, part
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return _claimed(path, number if free else number + 1)


def _is_locked_now(descriptor: int) -> bool:
    """Take the lock; whether nobody else has it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except (BlockingIOError, PermissionError):  # POSIX allows both answers
        return False
    except OSError:
        return True  # a file system without locks: it can have one writer at a time
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file still has this name: its last writer may just have renamed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _flush(path: str | Path, flags: int, sync: Callable[[int], None]) -> None:
    descriptor = os.open(path, flags)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
