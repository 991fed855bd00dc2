"""How much memory decoded pictures may take in all processes together.

A file of 34 bytes may be a picture of 16,383 x 16,383, which takes 4 GB while it is decoded: a core
each, at the same time, would fill any machine.  So whoever decodes a large picture first claims the
memory from a budget that all processes of a server share (or of a program that is run by hand), and
waits until there is enough.  Small pictures are free.

The budget is a file; what is claimed is a range of it under a lock of the open file (Linux'
F_OFD_SETLK), of which the kernel lets go however a process ends.

In: `DIGITS_DECODING` of the environment, as `to_environment` writes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import resource
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from digits.errors import ImageError

log = logging.getLogger(__name__)

VARIABLE = "DIGITS_DECODING"  # what a server tells the processes that it starts
FILE_NAME = ".decoding"
# Enough for the largest WebP that there is.
DEFAULT_MB = 5000
# A picture that takes less claims nothing.
FREE_BYTES = 1 << 26
_UNIT_BYTES = 1 << 26
# What a process needs beside pictures: records on their way, libraries that it loads later.
_OTHER_BYTES = 1 << 29
_RETRY_S = 0.01
_HELD = (errno.EAGAIN, errno.EACCES)


class Budget:
    """`memory_mb` megabytes (2^20 bytes), counted in the file `path`."""

    def __init__(self, path: str, memory_mb: int) -> None:
        self.path, self.memory_mb = path, memory_mb
        self._units = max(1, (memory_mb << 20) // _UNIT_BYTES)

    @contextlib.contextmanager
    def claim(self, bytes_: int) -> Iterator[None]:
        """Hold so much in this block; waits for it.

        Raises ImageError for more than the whole budget.
        """
        if bytes_ <= FREE_BYTES:
            yield
            return
        if bytes_ > self.memory_mb << 20:
            raise ImageError(
                f"decoding it takes {bytes_ >> 20:,} MB of memory, and all pictures together may "
                f"take {self.memory_mb:,} MB (setting decoding_memory_mb)"
            )
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:  # the jobs directory has gone away: each process has its own limit
            log.warning("%s cannot be opened: %s", self.path, error.strerror)
            yield
            return
        try:
            self._take(descriptor, min(self._units, -(-bytes_ // _UNIT_BYTES)))
            yield
        finally:
            os.close(descriptor)  # and with it all locks

    def _take(self, descriptor: int, units: int) -> None:
        """Lock `units` bytes of the file in a row.

        Whoever has the byte behind them is next, so that many small ones cannot keep a large one
        waiting.
        """
        try:
            _lock(descriptor, self._units, 1, wait=True)
            while not any(
                _lock(descriptor, first, units) for first in range(self._units - units + 1)
            ):
                time.sleep(_RETRY_S)
            _lock(descriptor, self._units, 1, kind=fcntl.F_UNLCK)
        except OSError as error:  # a file system that knows no locks
            log.warning("%s cannot be locked: %s", self.path, error.strerror)

    def limit_process(self) -> None:
        """Make allocations of this process fail beyond what it has now and the whole budget.

        Private memory is counted, not address space: databases that are mapped take none.
        """
        page_bytes = resource.getpagesize()
        with open("/proc/self/statm") as file:
            has = int(file.read().split()[5]) * page_bytes
        limit = has + (self.memory_mb << 20) + _OTHER_BYTES
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def to_environment(self) -> dict[str, str]:
        """The same budget for the environment of another process."""
        return {VARIABLE: json.dumps({"file": self.path, "memory_mb": self.memory_mb})}


def server_budget(jobs_dir: Path, memory_mb: int) -> Budget:
    """The one of all processes of a server."""
    return Budget(str(jobs_dir / FILE_NAME), memory_mb)


def budget_of(environment: Mapping[str, str]) -> Budget:
    """The budget of the server that started this process; one of its own when none did.

    Its own is shared with the processes that are forked from it afterwards.
    """
    if text := environment.get(VARIABLE):
        told = json.loads(text)
        return Budget(told["file"], told["memory_mb"])
    own, name = tempfile.mkstemp()
    os.unlink(name)
    # Opened by this name it is another open file, with locks of its own.
    return Budget(f"/proc/{os.getpid()}/fd/{own}", DEFAULT_MB)


@cache
def process_budget() -> Budget:
    """That of this process: like a limit of the system, it comes from whoever started it."""
    return budget_of(os.environ)


def _lock(
    descriptor: int, first: int, count: int, *, wait: bool = False, kind: int = fcntl.F_WRLCK
) -> bool:
    """Lock or unlock bytes of an open file; False when somebody else has one of them."""
    flock = struct.pack("@hhqqi0q", kind, os.SEEK_SET, first, count, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, flock)
    except OSError as error:
        if error.errno not in _HELD:
            raise
        return False
    return True
