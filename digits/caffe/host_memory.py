"""Keep freed memory in the process, instead of giving it back to the system and asking for it anew.

A pass over a net allocates and frees the same large blobs each time.  By default glibc takes such
blocks from the system one by one and gives them back at once; touching fresh pages then costs more
than the arithmetic on them (in virtual machines several times more).
"""

from __future__ import annotations

import ctypes

# Parameters of mallopt, from malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
# Blocks up to this size are kept; glibc before 2.35 takes the second at most.
_LARGEST_BLOCKS = (1 << 30, 32 << 20)
_NEVER = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Ask the C library for it, for this whole process; False where it does not know how.

    For programs that run nets over and over; the process then stays as large as it ever was.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    kept = any(mallopt(_MMAP_THRESHOLD, size) for size in _LARGEST_BLOCKS)
    return bool(kept and mallopt(_TRIM_THRESHOLD, _NEVER))
