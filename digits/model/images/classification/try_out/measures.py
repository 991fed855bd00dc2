"""Precision, recall and F1 of each category, and a confusion matrix small enough to look at.

In: which classes were taken for which, and how many pictures of each category have got no answer
because the network was not sure enough.  Out: numbers for pages and scripts.
Of a category, precision is the share of the pictures taken for it that are of it, recall the share
of its pictures that were taken for it, and F1 their harmonic mean: 2 right / (pictures + taken).
As in scikit-learn, but that a share of no pictures is not known (None), where it says 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.model.images.classification.try_out.confusion import Confusion

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CategoryMeasures:
    """A category by its number: how many pictures are of it, were taken for it, and are both.

    `unsure` of its pictures have got no answer.
    """

    number: int
    pictures: int
    taken: int
    right: int
    unsure: int = 0

    @property
    def precision(self) -> float | None:
        """A fraction; None where no picture was taken for it."""
        return self.right / self.taken if self.taken else None

    @property
    def recall(self) -> float | None:
        """A fraction; None where no picture is of it."""
        return self.right / self.pictures if self.pictures else None

    @property
    def f1(self) -> float | None:
        """A fraction; None where no picture is of it, nor was taken for it."""
        both = self.pictures + self.taken
        return 2 * self.right / both if both else None


@dataclass(frozen=True)
class Means:
    """The measures' means over the categories that have pictures, each counting as much."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Measures:
    """The measures of all categories that have pictures or were taken for something."""

    categories: Sequence[CategoryMeasures]

    @classmethod
    def of(cls, confusion: Confusion, unsure: Counts) -> Measures:
        """`unsure[i]` counts the pictures of i that were not answered."""
        pictures = (confusion.pictures() + unsure).tolist()
        taken, right = confusion.taken().tolist(), confusion.right().tolist()
        rows = zip(range(len(right)), pictures, taken, right, unsure.tolist(), strict=True)
        found = [CategoryMeasures(*row) for row in rows]
        return cls([each for each in found if each.pictures or each.taken])

    @cached_property
    def worst_first(self) -> list[CategoryMeasures]:
        """By F1."""
        return sorted(self.categories, key=lambda each: each.f1 or 0.0)

    @cached_property
    def means(self) -> Means | None:
        """None without any picture.  A precision that is not known counts as 0."""
        found = [each for each in self.categories if each.pictures]
        if not found:
            return None
        count = len(found)
        return Means(
            sum(each.precision or 0.0 for each in found) / count,
            sum(each.recall or 0.0 for each in found) / count,
            sum(each.f1 or 0.0 for each in found) / count,
        )

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """Percentages by the categories' names, and their means."""
        named = {labels[each.number]: _percentages(each) for each in self.categories}
        means = _percentages(self.means) if self.means else None
        return {"class_measures": named, "mean_measures": means}


def _percentages(measures: CategoryMeasures | Means) -> dict[str, float | None]:
    values = {
        "precision": measures.precision,
        "recall": measures.recall,
        "f1": measures.f1,
    }
    return {
        name: None if value is None else round(100 * value, 2) for name, value in values.items()
    }


@dataclass(frozen=True)
class Cell:
    """Of a matrix: how many pictures, which share of the row (0 to 1), how dark it is (0 to 10).

    `truth` and `predicted` are None in the row and the column of all other categories.
    """

    truth: int | None
    predicted: int | None
    count: int
    share: float

    @property
    def heat(self) -> int:
        return 0 if not self.count else max(1, round(10 * self.share))

    @property
    def is_right(self) -> bool:
        return self.truth is not None and self.truth == self.predicted


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix of some categories, by number, and of all others as one: `folded` many."""

    numbers: Sequence[int]
    folded: int
    rows: Sequence[Sequence[Cell]]


def matrix_of(confusion: Confusion, most: int) -> Matrix:
    """The matrix of the `most` categories that are confused most often, in their order.

    The others, where there are more, are added up in a last row and a last column; mistakes among
    them stand where these two meet.
    """
    mistakes = confusion.pictures() + confusion.taken() - 2 * confusion.right()
    shown = np.sort(np.argsort(-mistakes, kind="stable")[:most])
    folded = confusion.classes - len(shown)
    # Where each category stands; the others together come last.
    places = np.full(confusion.classes, len(shown))
    places[shown] = np.arange(len(shown))
    names = [*shown.tolist(), *([None] if folded else [])]
    truth, predicted, counts = confusion.pairs()
    cells = np.zeros((len(names), len(names)), np.int64)
    np.add.at(cells, (places[truth], places[predicted]), counts)
    return Matrix(shown.tolist(), folded, _cells(cells, names))


def _cells(counts: Counts, names: Sequence[int | None]) -> list[list[Cell]]:
    rows = []
    for truth, row in zip(names, counts.tolist(), strict=True):
        total = sum(row) or 1
        columns = zip(names, row, strict=True)
        rows.append([Cell(truth, predicted, count, count / total) for predicted, count in columns])
    return rows
