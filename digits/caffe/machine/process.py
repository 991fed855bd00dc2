"""Memory and threads of a process that runs nets, settled before PyTorch is loaded.

Memory: a pass over a net allocates and frees the same large blobs each time.  By default glibc
takes such blocks from the system one by one and gives them back at once; touching fresh pages then
costs more than the arithmetic on them (in virtual machines several times more).

Threads: those of OpenMP that wait for each other spin for up to a tenth of a second by default.  On
a machine that does something else as well (a server, a browser, another training) the processor is
spent on that: with more processes than cores, a training takes a multiple of its time.

Elsewhere: how many threads (`commands/devices.py`).
"""

from __future__ import annotations

import ctypes
import os

# Parameters of mallopt, from malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
# Blocks up to this size are kept; glibc before 2.35 takes the second at most.
_LARGEST_BLOCKS = (1 << 30, 32 << 20)
_NEVER = (1 << 31) - 1
# Rounds of spinning, some ten microseconds: as long as the threads of one operation take to meet.
# With 4,000 a small net trains a tenth faster alone, but a server beside it answers half as fast.
_SPIN_COUNT = "1000"


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


def settle_threads() -> None:
    """Set what must be set before PyTorch is imported; what the user has set stays."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
