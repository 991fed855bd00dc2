"""Spare the system and Python work on memory: blocks are kept, modules are not garbage."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator

# mallopt's numbers for its parameters, and what they are set to: malloc.h of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 27
_LARGEST_KEPT_BLOCK_BYTES = 1 << 25  # the most that mallopt takes


def keep_freed_memory() -> None:
    """Make this process reuse the blocks that it frees, up to 128 MB of them.

    By default the C library gives blocks of a picture's size back to the system and asks for new
    ones, which the system clears page by page: more work than writing the record to a database.
    Other C libraries than GNU's lack the function and keep their ways.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BLOCK_BYTES)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Import modules in this block; what exists at its end stays until the process ends.

    Python's garbage collector would look through all that modules are made of again and again,
    here, in each process forked from this one, which then gets a copy of it, and at exit.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
