"""The best pictures of each class, found while pictures come by."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Ranked(NamedTuple):
    """A picture among the best of a class: its number, and the confidence in that class."""

    number: int
    confidence: float


class BestOfClasses:
    """The `n` best pictures of each class so far, the best first.

    confidences and numbers (classes, n); where there are fewer pictures, the number is -1 and the
    confidence -inf.
    """

    def __init__(self, classes: int, n: int) -> None:
        self.n = n
        self.confidences: npt.NDArray[np.float32] = np.full((classes, n), -np.inf, np.float32)
        self.numbers: npt.NDArray[np.int64] = np.full((classes, n), -1, np.int64)

    def add(self, confidences: npt.NDArray[np.float32], numbers: npt.NDArray[Any]) -> None:
        """Take in more pictures: confidences (classes, m) and numbers, (classes, m) or (m,)."""
        all_confidences = np.concatenate([self.confidences, confidences], axis=1)
        numbers = np.broadcast_to(numbers, confidences.shape)
        all_numbers = np.concatenate([self.numbers, numbers], axis=1, dtype=np.int64)
        # Stable: of equal pictures, the earlier one is better.
        order = np.argsort(-all_confidences, axis=1, kind="stable")[:, : self.n]
        self.confidences = np.take_along_axis(all_confidences, order, axis=1)
        self.numbers = np.take_along_axis(all_numbers, order, axis=1)

    def ranked(self) -> tuple[tuple[Ranked, ...], ...]:
        """The best pictures of each class, by its index; none whose confidence is no number."""
        return tuple(
            tuple(
                Ranked(number, confidence)
                for number, confidence in zip(numbers, confidences, strict=True)
                if number >= 0 and math.isfinite(confidence)
            )
            for numbers, confidences in zip(
                self.numbers.tolist(), self.confidences.tolist(), strict=True
            )
        )
