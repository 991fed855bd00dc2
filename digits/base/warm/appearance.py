"""How a forked process looks in `ps` and in /proc: as the program that it has become.

A fork has the command line and the environment of the process that it was forked from, in the
place where the kernel has put them.  The kernel answers from there, so the new ones are written
over the old; whoever looks for a task's process by its environment (`jobs/process.py`) finds it.
The fork server is started with room for that.  Source: proc(5), /proc/pid/cmdline and environ.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence

# In the environment of the fork server: nothing but room for what is written over it.
ROOM = "DIGITS_ROOM"
ROOM_BYTES = 16_384
ARGUMENT_ROOM_BYTES = 2_048

# Fields of /proc/pid/stat, counted from the one after the name, the third.
_ARGUMENTS, _ENVIRONMENT = slice(45, 47), slice(47, 49)


def look_like(command: Sequence[str], environment: Mapping[str, str], first: str) -> bool:
    """Show this process as `command` with `environment`, of which `first` (or "") comes first.

    What there is no room for is left out, `first` never.  Takes over `os.environ` as well, which
    must not point into the old one.  False where that cannot be done: not Linux, or no room.
    """
    try:
        arguments, variables = _places()
    except (OSError, ValueError, IndexError):
        return False
    os.environ.clear()
    os.environ.update(environment)
    names = sorted(environment, key=lambda name: name != first)
    block = b""
    for name in names:
        entry = os.fsencode(f"{name}={environment[name]}") + b"\0"
        if len(block) + len(entry) > len(variables):
            continue
        block += entry
    title = os.fsencode(" ".join(command))[: len(arguments) - 2]
    _write(variables, block)
    # The last byte is not zero: the kernel then takes it for a title, which ends at its first zero.
    _write(arguments, title.ljust(len(arguments) - 1, b"\0") + b"x")
    return not first or _shows(f"{first}={environment[first]}")


def _places() -> tuple[range, range]:
    """The addresses of the command line and of the environment."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    arguments, variables = (
        range(*(int(field) for field in fields[place])) for place in (_ARGUMENTS, _ENVIRONMENT)
    )
    if not arguments or len(variables) < ROOM_BYTES:
        raise ValueError("no room")
    return arguments, variables


def _write(place: range, data: bytes) -> None:
    ctypes.memmove(place.start, data.ljust(len(place), b"\0"), len(place))


def _shows(entry: str) -> bool:
    try:
        with open("/proc/self/environ", "rb") as file:
            return file.read().startswith(os.fsencode(entry) + b"\0")
    except OSError:
        return False
