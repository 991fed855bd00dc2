"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: str | Path) -> Iterator[str]:
    """Gives the name of a temporary file; leaving the block puts it, flushed to disk, at `path`.

    Leaving it by an exception removes it, and `path` stays as it was.  Raises OSError.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.touch()
        yield str(part)
        _flush(part, os.O_RDWR)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    # The new name is in the folder, which has to reach the disk as well.
    _flush(path.parent, os.O_RDONLY)


def _flush(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
