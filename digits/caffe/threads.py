"""Threads of a process that trains, settled before PyTorch is loaded.

Threads of OpenMP that wait for each other spin for up to a tenth of a second by default.  On a
machine that does something else as well (a server, a browser, another training) the processor is
spent on that: with more processes than cores, a training takes a multiple of its time.

Elsewhere: the process's memory (`host_memory.py`), how many threads (`commands/devices.py`).
"""

from __future__ import annotations

import os

# Rounds of spinning, some ten microseconds: as long as the threads of one operation take to meet.
# With 4,000 a small net trains a tenth faster alone, but a server beside it answers half as fast.
_SPIN_COUNT = "1000"


def settle_threads() -> None:
    """Set what must be set before PyTorch is imported; what the user has set stays."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
