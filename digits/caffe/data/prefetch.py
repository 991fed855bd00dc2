"""Batches made ahead of time, in a thread of their own.

In: a function that makes the next batch.  Out: the same batches, in order.  An error of the thread
is raised where the batch is asked for.  Source: base_data_layer.cpp, blocking_queue.cpp.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from digits.caffe.machine.log import at

log = logging.getLogger(__name__)

T = TypeVar("T")
# A net that waits for data says so once in this many times.
_SAY_EVERY = 1000


class Prefetcher(Generic[T]):
    """Calls `produce` in a thread until `depth` results wait for `get`."""

    def __init__(self, produce: Callable[[], T], depth: int, name: str) -> None:
        self._produce = produce
        self._depth = max(1, depth)
        self._ready: deque[T] = deque()
        self._error: BaseException | None = None
        self._closed = False
        self._waits = 0
        # Guards everything above; notified when any of it changes.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"prefetch {name}", daemon=True)
        self._thread.start()

    def get(self) -> T:
        """The next result; raises what `produce` raised, once the results before it are taken."""
        with self._changed:
            if not self._ready and self._error is None:
                self._say_waiting()
                self._changed.wait_for(lambda: self._ready or self._error is not None)
            if not self._ready:
                assert self._error is not None  # noqa: S101  # the condition above
                raise self._error
            result = self._ready.popleft()
            self._changed.notify_all()
            return result

    def close(self) -> None:
        """End the thread and wait until it has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _say_waiting(self) -> None:
        if self._waits % _SAY_EVERY == 0:
            log.info("Waiting for data", extra=at("blocking_queue.cpp:49"))
        self._waits += 1

    def _run(self) -> None:
        try:
            while self._put(self._produce()):
                pass
        except Exception as error:  # noqa: BLE001  # whatever it is, `get` raises it
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _put(self, result: T) -> bool:
        """Hand over a result when there is room; False when closed meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < self._depth or self._closed)
            if self._closed:
                return False
            self._ready.append(result)
            self._changed.notify_all()
            return True


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
