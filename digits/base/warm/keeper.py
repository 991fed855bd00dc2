"""The process that stands between the fork server and a program: it waits for the program's end.

It leads the program's session.  Where a record is asked for it is in the program's process group
too, as the small shell of `jobs/process.py` is for programs that are started cold, and writes the
same files: `RECORD.pid` before the program begins, `RECORD.exit` when it has ended.  So neither the
end of the server nor of the fork server loses how a program ended.  Else the program has a group of
its own: when that is killed, the keeper stays to collect it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from digits.base.warm.appearance import look_like
from digits.base.warm.order import Order

# Descriptors are first moved above all numbers that a program may want them under.
_ABOVE = 256
# What the keeper outlives when its whole group is stopped; the program gets the defaults.
_OUTLIVED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def become(order: Order, descriptors: Sequence[int], caller: socket.socket) -> None:
    """Called in a fork: returns in the program, to be run; the keeper itself ends here."""
    os.setsid()
    command = ["python", "-m", order.module, *order.arguments]
    os.umask(order.umask)
    try:
        os.chdir(order.folder)
    except OSError as error:
        _refuse(caller, f"{order.folder} cannot be entered: {error.strerror}")
    if not look_like(command, order.environment, order.mark):
        _refuse(caller, "a fork cannot be shown as another program here")
    for number in _OUTLIVED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else nobody could wait for the program
    record = Path(order.record) if order.record else None
    _begin(record)
    program = os.fork()
    if program == 0:
        caller.close()
        if record is None:
            os.setpgid(0, 0)
        _settle(descriptors, order.descriptors)
        return
    if record is None:
        # Here as well: whoever is told of the program may kill its group.
        with contextlib.suppress(OSError):  # it has ended already
            os.setpgid(program, program)
    for descriptor in descriptors:
        os.close(descriptor)
    _tell(caller, {"keeper": os.getpid(), "program": program})
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    _end(record, 128 - status if status < 0 else status)
    _tell(caller, {"status": status})
    os._exit(0)


def _refuse(caller: socket.socket, why: str) -> None:
    _tell(caller, {"refused": why})
    os._exit(0)


def _tell(caller: socket.socket, news: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # a server that has gone need not hear it
        caller.send(json.dumps(news).encode())


def _settle(descriptors: Sequence[int], numbers: Sequence[int]) -> None:
    """Give the program its descriptors under their numbers, and signals their default actions."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _ABOVE) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(high, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for number in _OUTLIVED[1:]:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _begin(record: Path | None) -> None:
    """Write who this is, and take room for the exit status before the program can fill the disk."""
    if record is None:
        return
    with contextlib.suppress(OSError):
        _new(record, "pid").write_text(str(os.getpid()))
        _new(record, "pid").rename(record.with_name(f"{record.name}.pid"))
        _new(record, "exit").write_text(" " * 8)


def _end(record: Path | None, status: int) -> None:
    if record is None:
        return
    with contextlib.suppress(OSError):
        with _new(record, "exit").open("r+") as file:
            file.write(f"{status:<8}")
        _new(record, "exit").rename(record.with_name(f"{record.name}.exit"))


def _new(record: Path, suffix: str) -> Path:
    return record.with_name(f"{record.name}.{suffix}.new")
