"""What deleting a job would remove: counted on the disk at the moment of the question.

In: a job's folder.  Out: numbers of files, bytes and snapshots.  Elsewhere: who needs the job
(`scheduler.dependents`), deleting it (`store.py`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SNAPSHOT_ENDINGS = (".caffemodel", ".caffemodel.h5")
BLOCK_BYTES = 512  # the unit of st_blocks, whatever the disk's own
# A folder that takes longer to count is answered as far as it was seen.
COUNTING_S = 5.0


@dataclass(frozen=True)
class FolderContents:
    """What a folder holds; `is_complete` is False when counting took too long."""

    files: int
    size_bytes: int  # on the disk: files with holes take less than their length
    snapshots: int
    is_complete: bool


def sum_of(all_contents: Iterable[FolderContents | None]) -> FolderContents | None:
    """What several folders hold together; None while one of them is not counted."""
    files = size_bytes = snapshots = 0
    is_complete = True
    for contents in all_contents:
        if contents is None:
            return None
        files += contents.files
        size_bytes += contents.size_bytes
        snapshots += contents.snapshots
        is_complete = is_complete and contents.is_complete
    return FolderContents(files, size_bytes, snapshots, is_complete)


def count_contents(folder: Path, *, limit_s: float = COUNTING_S) -> FolderContents:
    """Count what is in a folder and below it; links are not followed, and what vanishes is nothing.

    May take seconds: call it outside of the event loop.
    """
    deadline = time.monotonic() + limit_s
    files = size_bytes = snapshots = 0
    folders = [str(folder)]
    while folders:
        if time.monotonic() > deadline:
            return FolderContents(files, size_bytes, snapshots, is_complete=False)
        for entry in _entries(folders.pop()):
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                size_bytes += entry.stat(follow_symlinks=False).st_blocks * BLOCK_BYTES
            except OSError:
                continue
            files += 1
            snapshots += entry.name.startswith("snapshot") and entry.name.endswith(SNAPSHOT_ENDINGS)
    return FolderContents(files, size_bytes, snapshots, is_complete=True)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
