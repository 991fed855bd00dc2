"""pycaffe's Timer: milliseconds between `start` and `stop`, work on the GPU included."""

from __future__ import annotations

import time

from digits.caffe.machine.device import synchronize


class Timer:
    """A stop watch; `ms` is the time of the last run, or of the one that is going on."""

    def __init__(self) -> None:
        self._started_s: float | None = None
        self._elapsed_s = 0.0

    def start(self) -> None:
        """Start from zero."""
        synchronize()
        self._started_s = time.perf_counter()

    def stop(self) -> None:
        """Stop."""
        synchronize()
        if self._started_s is not None:
            self._elapsed_s = time.perf_counter() - self._started_s
            self._started_s = None

    @property
    def ms(self) -> float:
        """Milliseconds."""
        if self._started_s is not None:
            self.stop()
        return 1000.0 * self._elapsed_s
