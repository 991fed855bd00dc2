"""Write files whole or not at all, as the engine does (`caffe/formats/files.py`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from digits.caffe.formats import files

# Flushes a file by its descriptor.  A server on gevent hands in its thread pool: waiting for a
# busy disk would hold up every other request.
SyncCall = Callable[[int], None]


@contextlib.contextmanager
def atomic_write(path: Path, sync: SyncCall = os.fsync) -> Iterator[IO[bytes]]:
    """A binary file that becomes `path` when the block ends well, and vanishes when it does not.

    Raises OSError when the folder cannot be written or the disk is full; `path` is then as before.
    """
    with files.written_whole(path, sync) as part, open(part, "wb") as file:
        yield file


def write_text(path: Path, text: str, sync: SyncCall = os.fsync) -> None:
    """`text` as the whole content of `path`, in UTF-8."""
    with atomic_write(path, sync) as file:
        # A lone half of a surrogate pair (from a file name that is not UTF-8) has no UTF-8;
        # written as an escape it is still valid JSON.
        file.write(text.encode("utf-8", "backslashreplace"))


def sync_folder(folder: Path, sync: SyncCall = os.fsync) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    files.sync_folder(folder, sync)
