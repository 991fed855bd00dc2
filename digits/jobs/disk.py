"""Whether a folder can be written, and in words why not: full, read-only, not ours.

In: a folder, or the OSError of a write below it.  Out: a sentence for the user, or None.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
from pathlib import Path

# A folder that has not even this much room counts as full.
PROBE_BYTES = 1024 * 1024
PROBE_FILE = ".probe"
# With less than this, or this share of the disk where that is smaller, the disk is short of room:
# a training may soon not be able to write its next snapshot.
SHORT_BYTES = 2 * 1024**3
SHORT_SHARE = 0.05

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.ENOENT: "it does not exist any more",
    errno.EIO: "the disk has an input/output error",
}


def writing_problem(folder: Path) -> str | None:
    """Why `folder` cannot be written now; None when there is room.  Writes and removes a file."""
    try:
        _probe(folder)
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


def forbidden(folder: Path) -> str | None:
    """Why nothing may be moved into `folder`; None when it may.  Asks, writes nothing."""
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return _REASONS[errno.EROFS]
    except OSError as error:
        return reason(error)
    return None if os.access(folder, os.W_OK | os.X_OK) else _REASONS[errno.EACCES]


def is_short(folder: Path) -> bool:
    """Whether the disk has little room left; asks the file system, writes nothing."""
    try:
        state = os.statvfs(folder)
    except OSError:
        return False
    return _spare_bytes(state) < 0


def free_bytes(folder: Path) -> int | None:
    """What is left on the disk beyond what counts as short; None where nobody knows."""
    try:
        state = os.statvfs(folder)
    except OSError:
        return None
    return max(0, _spare_bytes(state))


def _spare_bytes(state: os.statvfs_result) -> int:
    """What is left beyond what counts as short; less than nothing where the disk is short."""
    total, free = state.f_blocks * state.f_frsize, state.f_bavail * state.f_frsize
    return math.floor(free - min(SHORT_BYTES, SHORT_SHARE * total))


def is_full(folder: Path) -> bool:
    """Whether want of room, or of quota, keeps `folder` from being written.  Tries to write."""
    try:
        _probe(folder)
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def reason(error: OSError) -> str:
    """Why something failed, in a few words."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def explain(folder: Path, error: OSError) -> str:
    """Why a write below `folder` failed, and what to do."""
    return (
        f"The folder {folder} cannot be written: {reason(error)}. "
        "Free some space or fix its permissions; new jobs are accepted again as soon as that is "
        "done."
    )


def is_storage_error(error: OSError) -> bool:
    """Whether the disk is to blame, and not what was asked of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def _probe(folder: Path) -> None:
    """Write a file and remove it; OSError."""
    probe = folder / PROBE_FILE
    try:
        _reserve(probe)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def _reserve(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, PROBE_BYTES)
    finally:
        os.close(descriptor)
