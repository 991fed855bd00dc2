"""The loss as Caffe displays it: the mean of the last few iterations, in float32.

Source: Solver::UpdateSmoothedLoss in solver.cpp, whose rounding it follows.
"""

from __future__ import annotations

import numpy as np


class SmoothedLoss:
    """The mean of the last `window` losses that were added."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._losses: list[np.float32] = []
        self._mean = np.float32(0)

    @property
    def value(self) -> float:
        """The mean so far."""
        return float(self._mean)

    def add(self, loss: float, index: int) -> None:
        """Add the loss of iteration `index`, counted from where this training began."""
        new = np.float32(loss)
        # A loss that is infinite or nan makes the mean so, without a warning.
        with np.errstate(all="ignore"):
            if len(self._losses) < self._window:
                self._losses.append(new)
                size = np.float32(len(self._losses))
                self._mean = (self._mean * (size - np.float32(1)) + new) / size
            else:
                place = index % self._window
                self._mean += (new - self._losses[place]) / np.float32(self._window)
                self._losses[place] = new
