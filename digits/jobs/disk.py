"""Whether a folder can be written, and in words why not: full, read-only, not ours.

In: a folder, or the OSError of a write below it.  Out: a sentence for the user, or None.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

# A folder that has not even this much room counts as full.
PROBE_BYTES = 1024 * 1024
PROBE_FILE = ".probe"

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.ENOENT: "it is gone",
    errno.EIO: "the disk has an input/output error",
}


def writing_problem(folder: Path) -> str | None:
    """Why `folder` cannot be written now; None when there is room.  Writes and removes a file."""
    probe = folder / PROBE_FILE
    try:
        try:
            _reserve(probe)
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
    except OSError as error:
        return explain(folder, error)
    return None


def looks_writable(folder: Path) -> bool:
    """Whether nothing speaks against writing to `folder`; asks the file system, writes nothing."""
    try:
        state = os.statvfs(folder)
    except OSError:
        return False
    has_room = state.f_bavail * state.f_frsize >= PROBE_BYTES and not state.f_flag & os.ST_RDONLY
    return has_room and os.access(folder, os.W_OK | os.X_OK)


def explain(folder: Path, error: OSError) -> str:
    """Why a write below `folder` failed, and what to do."""
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return (
        f"The folder {folder} cannot be written: {reason}. "
        "Free some space or mend its permissions; new jobs are taken again as soon as that is done."
    )


def is_storage_error(error: OSError) -> bool:
    """Whether the disk is to blame, and not what was asked of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def _reserve(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, PROBE_BYTES)
    finally:
        os.close(descriptor)
