"""Which class was taken for which, and how often: only the pairs that occurred are kept.

In: pairs of classes.  Out: sums, the most frequent mistakes, and the matrix where it is not too
large: that of the 21,841 classes of all of ImageNet has 477 million cells, nearly all of them 0.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.errors import NotPossible

Numbers = npt.NDArray[np.int64]
# More classes than this have pairs instead of a matrix: 4 million numbers are 8 MB of JSON.
MOST_MATRIX_CLASSES = 2000


class Confusion:
    """Counts of pairs (true class, taken for), both 0 to `classes` - 1."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._counts: Counter[tuple[int, int]] = Counter()
        self._pairs: tuple[Numbers, Numbers, Numbers] | None = None  # of `_counts`, once asked for

    @classmethod
    def of(cls, truth: Numbers, predicted: Numbers, classes: int) -> Confusion:
        """Of the pictures whose true classes are `truth`, and were taken for `predicted`."""
        found = cls(classes)
        places, counts = np.unique(truth * classes + predicted, return_counts=True)
        pairs = zip((places // classes).tolist(), (places % classes).tolist(), strict=True)
        found._counts.update(dict(zip(pairs, counts.tolist(), strict=True)))
        return found

    def add(self, truth: int, predicted: int) -> None:
        """Count a picture."""
        self._counts[truth, predicted] += 1
        self._pairs = None

    def count(self, truth: int, predicted: int) -> int:
        return self._counts[truth, predicted]

    def pairs(self) -> tuple[Numbers, Numbers, Numbers]:
        """True classes, what they were taken for, and how often: of each pair that occurred."""
        if self._pairs is None:
            found = np.array([(*pair, count) for pair, count in self._counts.items()], np.int64)
            truth, predicted, counts = found.reshape(-1, 3).T
            self._pairs = truth, predicted, counts
        return self._pairs

    def pictures(self) -> Numbers:
        """How many pictures there are of each class."""
        truth, _, counts = self.pairs()
        return self._sums(truth, counts)

    def taken(self) -> Numbers:
        """How many pictures were taken for each class."""
        _, predicted, counts = self.pairs()
        return self._sums(predicted, counts)

    def right(self) -> Numbers:
        """How many pictures of each class were taken for it."""
        truth, predicted, counts = self.pairs()
        return self._sums(truth, np.where(truth == predicted, counts, 0))

    def mistakes(self, most: int) -> list[tuple[int, int, int]]:
        """(true class, taken for, how often) of the most frequent mistakes; then in their order."""
        wrong = [(i, j, count) for (i, j), count in self._counts.items() if i != j]
        return sorted(wrong, key=lambda each: (-each[2], *each))[:most]

    def matrix(self) -> list[list[int]]:
        """`matrix[i][j]` pictures of class i were taken for j.

        Raises NotPossible where there are more than MOST_MATRIX_CLASSES.
        """
        if not self.has_matrix:
            raise NotPossible(
                f"A confusion matrix is made of at most {MOST_MATRIX_CLASSES} classes, these are "
                f"{self.classes}. The JSON has the pairs that were confused (`confusions`)."
            )
        rows = [[0] * self.classes for _ in range(self.classes)]
        for (truth, predicted), count in self._counts.items():
            rows[truth][predicted] = count
        return rows

    def _sums(self, classes: Numbers, counts: Numbers) -> Numbers:
        sums = np.zeros(self.classes, np.int64)
        np.add.at(sums, classes, counts)
        return sums

    @property
    def has_matrix(self) -> bool:
        return self.classes <= MOST_MATRIX_CLASSES

    def to_json(self) -> dict[str, Any]:
        """The matrix; of very many classes [true class, taken for, how often] of each pair."""
        if self.has_matrix:
            return {"confusion_matrix": self.matrix()}
        return {"confusions": [[*pair, count] for pair, count in sorted(self._counts.items())]}
