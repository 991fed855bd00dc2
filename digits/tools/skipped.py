"""`skipped.txt`: every picture of a dataset that was left out, where, and why.

One file a dataset, beside its lists and databases; a line is SET<tab>REASON<tab>PATH.  Several
programs write to it, maybe at once, so each replaces its own set's lines under a lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from digits.base.atomic import atomic_write
from digits.base.progress import printable

SKIPPED_FILE = "skipped.txt"


@dataclass(frozen=True)
class SkippedPicture:
    """A picture (or a folder of pictures) that was left out."""

    path: str
    reason: str


def write_skipped(folder: Path, set_name: str, skipped: Sequence[SkippedPicture]) -> None:
    """Replace the lines of `set_name` in the folder's skipped.txt by `skipped`.

    Raises OSError when the folder cannot be written.  The file is made only if it has a line.
    """
    path = folder / SKIPPED_FILE
    with _locked(folder):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        kept = [line for line in lines if not line.startswith(f"{set_name}\t")]
        if not skipped and len(kept) == len(lines):
            return
        with atomic_write(path) as file:
            file.writelines(line.encode() for line in kept)
            for picture in skipped:
                line = f"{set_name}\t{printable(picture.reason)}\t{printable(picture.path)}\n"
                file.write(line.encode())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process at a time is in the block for the same folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
