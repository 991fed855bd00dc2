"""What a worker may take of the machine: priority, memory, and the cores that are free."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator

import psutil

# Programs and libraries loaded before a network is: not counted against its memory.
_BASE_BYTES = 512 << 20
# Shorter than this, the times that the kernel counts say nothing.
_SHORTEST_SAMPLE_S = 0.2


class MemoryExhausted(Exception):
    """The worker has reached its memory limit; the message is fit for the user's eyes."""


def limit_memory(memory_mb: int) -> None:
    """Make allocations beyond `memory_mb` fail in this process.

    Private memory is counted, not address space: a database of 50 GB that is mapped for reading
    takes address space, but no memory.
    """
    limit = _BASE_BYTES + (memory_mb << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@contextlib.contextmanager
def memory_errors(memory_mb: int) -> Iterator[None]:
    """Turn failed allocations of Python, NumPy and PyTorch into MemoryExhausted."""
    try:
        yield
    except Exception as error:
        if _is_out_of_memory(error):
            raise MemoryExhausted(_exhausted(memory_mb)) from error
        raise


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether the error, or what it was made from, is a failed allocation."""
    while error is not None:
        # PyTorch has no type of its own for it.
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            return True
        error = error.__cause__
    return False


def _exhausted(memory_mb: int) -> str:
    return (
        f"The network needs more than the {memory_mb:,} MB of memory that one network may take "
        "(setting inference_memory_mb)."
    )


class FreeCores:
    """How many cores nobody else uses, measured between one call and the next.

    Threads that wait for a core stop all others at PyTorch's next barrier; so beside a training on
    all cores, one thread is faster than as many as there are cores.
    """

    def __init__(self) -> None:
        self.total = len(os.sched_getaffinity(0))
        self._answer = self.total
        self._sample = _sample()
        self._lent_s = 0.0

    def lend(self, seconds: float) -> None:
        """Core time that this process has used for something else than what asks `count`."""
        self._lent_s += seconds

    def count(self) -> int:
        """1 to the number of cores that this process may use."""
        at, busy = _sample()
        elapsed = at - self._sample[0]
        if elapsed >= _SHORTEST_SAMPLE_S:
            used_by_others = (busy - self._sample[1] + self._lent_s) / elapsed
            self._answer = max(1, min(self.total, round(self.total - used_by_others)))
            self._sample, self._lent_s = (at, busy), 0.0
        return self._answer


def _sample() -> tuple[float, float]:
    """(now, seconds of core time that others have used since the machine started)."""
    times = psutil.cpu_times()
    everybody = sum(times) - times.idle - getattr(times, "iowait", 0.0)
    # Counted within `user` already.
    everybody -= getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    own = psutil.Process().cpu_times()
    return time.monotonic(), everybody - own.user - own.system
