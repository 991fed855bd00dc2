"""Start the other processes of a training on several GPUs, or in several processes on the CPU.

The process that the user started is rank 0; it starts one more for each further GPU, with the same
command line.  Those do not log, ignore the signals that rank 0 obeys, and end when it ends; when
one of them fails, all end.  They save nothing, so whoever ends one may do so at once: within
PyTorch, waiting for a message that never comes, a process runs no handler of Python's.

Elsewhere: what they say to each other (`solving/parallel.py`).
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from digits.caffe.errors import CaffeError, SolverError
from digits.caffe.solving.parallel import TCPStore, meeting_place

log = logging.getLogger(__name__)

_MEMBER = "DIGITS_CAFFE_MEMBER"  # RANK SIZE PORT PARENT, for the processes started here
_PR_SET_PDEATHSIG = 1
_ROOTS_SIGNALS = (signal.SIGINT, signal.SIGHUP)
_GRACE_S = 10.0  # for those that are about to say what they met
_END_S = 60.0  # for those that are done
_KILL_S = 2.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Member:
    """Which process of a team this one is, and where the team meets."""

    rank: int
    size: int
    store: TCPStore | None = None


def this_member() -> Member | None:
    """What the starting process said, in one that it started; settles that process."""
    said = os.environ.get(_MEMBER)
    if said is None:
        return None
    rank, size, port, parent = map(int, said.split())
    if sys.platform == "linux":
        # However rank 0 ends, nobody is left behind.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before that
        raise SystemExit(1)
    logging.getLogger("digits.caffe").setLevel(logging.ERROR)
    return Member(rank, size, meeting_place(port))


@contextmanager
def started_members(size: int, arguments: list[str]) -> Iterator[Member]:
    """Start ranks 1 to `size` - 1; gives rank 0.  On leaving, waits for the others.

    Raises SolverError if another process failed although this one did not.
    """
    store = meeting_place()
    others = [_start(rank, size, store.port, arguments) for rank in range(1, size)]
    watcher = _Watcher(others)
    try:
        yield Member(0, size, store)
    except CaffeError:
        # It may be because of another one, which is then about to say what it met.
        watcher.stop(grace_s=_GRACE_S)
        raise
    except BaseException:
        watcher.stop(grace_s=0)
        raise
    watcher.finish()


def _start(rank: int, size: int, port: int, arguments: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {_MEMBER: f"{rank} {size} {port} {os.getpid()}"}
    # A process keeps the signals blocked that its parent had blocked: from its first moment on it
    # does not get what a terminal sends to all of them, and this one gets it a moment later.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ROOTS_SIGNALS)
    try:
        return subprocess.Popen([sys.executable, "-m", "digits.caffe", *arguments], env=environment)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ROOTS_SIGNALS)


class _Watcher:
    """Ends this process when another one fails: its messages would never come."""

    def __init__(self, others: list[subprocess.Popen[bytes]]) -> None:
        self._others = others
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(rank, other), daemon=True)
            for rank, other in enumerate(others, 1)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, grace_s: float) -> None:
        """This process gives up: end the others that do not end by themselves in this time."""
        self._over.set()
        if self._all_ended(grace_s):
            return
        for other in self._others:
            other.terminate()
        if self._all_ended(_KILL_S):
            return
        for other in self._others:
            other.kill()
        self._all_ended(_KILL_S)

    def finish(self) -> None:
        """This process is done; the others are about to be."""
        self._over.set()
        if not self._all_ended(_END_S):
            log.warning("another process of the training does not end by itself and is ended")
            self.stop(grace_s=0)
            return
        failed = [rank for rank, other in enumerate(self._others, 1) if other.returncode]
        if failed:
            raise SolverError(f"process {failed[0]} of the training failed; see its messages above")

    def _all_ended(self, within_s: float) -> bool:
        end = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _watch(self, rank: int, other: subprocess.Popen[bytes]) -> None:
        status = other.wait()
        # The main thread may be about to notice, or to obey the same SIGTERM, and leave in order.
        if status != 0 and not self._over.wait(_KILL_S):
            log.critical("process %d of the training ended with status %d; all end", rank, status)
            for process in self._others:
                process.kill()
            # The main thread waits within PyTorch for a message that never comes.
            os._exit(1)
