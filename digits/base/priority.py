"""The priority of a program among all others of the machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Linux shares the cores among sessions first, where it was told to (sched_autogroup_enabled): a
# niceness counts within the program's own session then, and the session has one of its own.
# Source: sched(7), "The autogroup feature".
SESSION = Path("/proc/self/autogroup")


def lower_priority(niceness: int) -> None:
    """Leave the cores to whoever else wants them, also in other sessions."""
    lowered = os.nice(niceness)
    with contextlib.suppress(OSError):  # not Linux, or not built in
        SESSION.write_text(str(lowered))
