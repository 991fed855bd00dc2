"""Make a folder whole or not at all.

It is built under another name beside its place, flushed to disk, and renamed when it is ready.
What lies in its place is replaced only if it is an earlier one: a mistyped name costs nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from digits.base.atomic import sync_folder
from digits.errors import ToolError


def nothing(_: str) -> bool:
    return False


@contextlib.contextmanager
def building(final: Path, own: Callable[[str], bool] = nothing) -> Iterator[Path]:
    """A folder beside `final` that replaces it when the block ends well, else it is removed.

    `own` tells by its name what an earlier `final` may hold, and lose.
    Raises ToolError when another process builds the same folder, or `final` is something else.
    """
    _check_place(final, own)
    partial = partial_folder(final)
    partial.mkdir(exist_ok=True)
    lock = _lock(partial, final)
    try:
        _empty(partial)  # what a killed process left
        yield partial
        sync_folder(partial)
        _replace(partial, final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def partial_folder(final: Path) -> Path:
    """Where `final` is built; a killed process leaves it behind."""
    return final.parent / f".{final.name}.partial"


def _check_place(final: Path, own: Callable[[str], bool]) -> None:
    if final.is_symlink() or (final.exists() and not final.is_dir()):
        raise ToolError(f"{final} exists and is no folder; remove it or give another name.")
    if not final.parent.is_dir():
        raise ToolError(f"There is no folder {final.parent} to make {final.name} in.")
    other = sorted(name for name in os.listdir(final) if not own(name)) if final.exists() else []
    if other:
        raise ToolError(
            f"{final} is there already and holds {other[0]!r}, which would be lost; "
            "give another name or move it away."
        )


def _lock(partial: Path, final: Path) -> int:
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise ToolError(f"Another process is writing {final}; wait for it.") from error
        raise
    return descriptor


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _replace(partial: Path, final: Path) -> None:
    """Put `partial` in the place of `final`; an old `final` goes away as a whole."""
    old = final.parent / f".{final.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    had_one = final.exists()
    if had_one:
        final.rename(old)
    try:
        partial.rename(final)
    except OSError:
        if had_one:
            old.rename(final)
        raise
    sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)
