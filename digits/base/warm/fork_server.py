"""The fork server: loads libraries once, and becomes each program that it is told to start.

    python -m digits.base.warm.fork_server --socket PATH --idle-s 900 --load MODULE...

It ends when its standard input is closed (the server has gone; `--alone`: when its socket's file
has), or when nobody has asked for anything for so long; what it has started goes on.  Nothing is
computed here, and no thread is started: a fork has only the thread that forked, and OpenMP's
threads would be missing in it.

In: orders on a socket (`order.py`).  Out: forks that run `python -m MODULE` to its end.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import time
import warnings
from pathlib import Path

from digits.base.warm.keeper import become
from digits.base.warm.order import Order
from digits.caffe.machine.process import settle_threads

# How often one that lives alone looks whether its folder is still there.
LOOK_S = 1.0
# As long as a fork takes to have become what was ordered, on a machine that is busy.
ORDER_S = 60.0
_CREDENTIALS = struct.Struct("3i")  # of SO_PEERCRED: process, user, group


def main() -> None:
    options = _parse()
    settle_threads()
    for module in options.load:
        importlib.import_module(module)
    # What is there now is never collected, so that the forks go on to share it.
    gc.collect()
    gc.freeze()
    order = _serve(options.socket, options.idle_s, lives_alone=options.alone)
    if order is not None:
        _run(order)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="where it listens")
    parser.add_argument("--idle-s", type=float, default=900, help="ends when idle for so long")
    parser.add_argument("--alone", action="store_true", help="goes on without its starter")
    parser.add_argument("--load", nargs="*", default=[], help="modules that are loaded")
    parser.add_argument("--room", help="nothing but room for longer command lines")
    return parser.parse_args()


def _serve(path: Path, idle_s: float, *, lives_alone: bool) -> Order | None:
    """Fork for each order; answers one in each fork, None when it is time to end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's zombies
    with _listening(path) as listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        if not lives_alone:
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        idle_until = time.monotonic() + idle_s
        while time.monotonic() < idle_until and (path.exists() or not lives_alone):
            events = selector.select(min(idle_s, LOOK_S) if lives_alone else idle_s)
            if not events:
                continue
            if any(key.fileobj is not listener for key, _ in events):
                break
            caller, _ = listener.accept()
            with caller:
                order = _fork_for(caller, listener, selector)
            if order is not None:
                return order
            idle_until = time.monotonic() + idle_s
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    return None


def _listening(path: Path) -> socket.socket:
    """The socket, which nobody finds before it listens."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.chdir(path.parent)  # an address has room for a hundred characters
    new = Path(f"{path.name}.{os.getpid()}")
    listener.bind(str(new))
    listener.listen(128)
    new.rename(path)
    return listener


def _fork_for(
    caller: socket.socket, listener: socket.socket, selector: selectors.BaseSelector
) -> Order | None:
    """The order in the fork that is to run it; None here, whatever came."""
    caller.settimeout(ORDER_S)
    try:
        _, user, _ = _CREDENTIALS.unpack(
            caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if user != os.geteuid():
            return None
        order, descriptors = Order.receive(caller)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    try:
        is_fork = os.fork() == 0
    except OSError:  # no room for a process: the caller sees the connection end
        is_fork = False
    if is_fork:
        selector.close()
        listener.close()
        become(order, descriptors, caller)
        return order
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def _run(order: Order) -> None:
    """What `python -m MODULE` does, in the folder of the order."""
    paths = order.environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [os.getcwd(), *(path for path in paths if path and path not in sys.path)]
    sys.argv = [order.module, *order.arguments]
    # The module may be among those that are loaded; running it once more is what is wanted.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")
    runpy.run_module(order.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
