"""Write files whole or not at all, as the engine does (`caffe/formats/files.py`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from digits.caffe.formats import files

SyncCall = Callable[[int], None]
# How a file is flushed.  A server on gevent hands in its thread pool (`flush_with`), since waiting
# for a busy disk would hold up every other request.
_sync: SyncCall = os.fsync


def flush_with(sync: SyncCall) -> None:
    """Flush files by `sync(descriptor)` from now on."""
    global _sync
    _sync = sync


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that becomes `path` when the block ends well, and vanishes when it does not.

    Raises OSError when the folder cannot be written or the disk is full; `path` is then as before.
    """
    with files.written_whole(path, _sync) as part, open(part, "wb") as file:
        yield file


def write_text(path: Path, text: str) -> None:
    """`text` as the whole content of `path`, in UTF-8."""
    with atomic_write(path) as file:
        # A lone half of a surrogate pair (from a file name that is not UTF-8) has no UTF-8;
        # written as an escape it is still valid JSON.
        file.write(text.encode("utf-8", "backslashreplace"))


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    files.sync_folder(folder, _sync)
