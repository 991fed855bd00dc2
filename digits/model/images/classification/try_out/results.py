"""What many classified pictures add up to: predictions, accuracy, confusion, pictures not read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.base import strict_json
from digits.inference import ClassifiedPicture, Prediction
from digits.inference.operations import TOP
from digits.model.images.classification.try_out.confusion import Confusion
from digits.model.images.classification.try_out.measures import Matrix, Measures, matrix_of
from digits.sources.picture_list import Entry

_ROWS_BETWEEN_PAUSES = 50


@dataclass(frozen=True)
class Row:
    """A classified picture: its true and its best class by number, None where not known.

    `predictions` are (label, percent or score), the best first; `thumbnail` is its address,
    `page` that of its own page.
    """

    number: int
    name: str
    truth: int | None
    predicted: int | None
    predictions: tuple[tuple[str, float], ...]
    reason: str = ""
    thumbnail: str = ""
    page: str = ""

    @property
    def outcome(self) -> str:
        """right, wrong or unreadable; empty when the true class is not known."""
        if self.predicted is None:
            return "unreadable"
        if self.truth is None:
            return ""
        return "right" if self.truth == self.predicted else "wrong"


@dataclass
class Accuracy:
    """How often the true label was right, over the pictures whose label is known.

    `confusion` counts which classes were taken for which; `unsure[i]` counts pictures of the class
    i for which the network was not sure enough, which are in no other number but `count`.
    """

    labels: Sequence[str]
    confusion: Confusion
    count: int = 0
    top1: int = 0
    top5: int = 0
    unsure: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if not len(self.unsure):
            self.unsure = np.zeros(len(self.labels), np.int64)

    @classmethod
    def of(cls, labels: Sequence[str]) -> Accuracy:
        """Of no pictures yet."""
        return cls(labels, Confusion(len(labels)))

    def add(self, truth: int, predictions: Sequence[Prediction]) -> None:
        """Count a picture; `predictions` are its best classes, the best first."""
        self.count += 1
        self.confusion.add(truth, predictions[0].index)
        self.top1 += predictions[0].index == truth
        self.top5 += truth in [prediction.index for prediction in predictions[:TOP]]

    @property
    def answered(self) -> int:
        """Pictures for which the network was sure enough."""
        return self.count - int(self.unsure.sum())

    @property
    def per_class(self) -> list[float | None]:
        """Percent right of each class; None where it has no pictures."""
        counts = zip(
            self.confusion.pictures().tolist(), self.confusion.right().tolist(), strict=True
        )
        return [percent(right / total) if total else None for total, right in counts]

    @property
    def measures(self) -> Measures:
        """Precision, recall and F1 by class."""
        return Measures.of(self.confusion, self.unsure)

    def matrix(self, most: int) -> Matrix:
        """The confusion matrix of at most so many classes, the most confused ones."""
        return matrix_of(self.confusion, most)

    def worst_confusions(self, most: int) -> list[tuple[int, int, int]]:
        """(true class, taken for, how often) of the most frequent mistakes."""
        return self.confusion.mistakes(most)

    def to_json(self) -> dict[str, Any]:
        """Percentages, and which classes were confused; {} when no label is known."""
        if not self.count:
            return {}
        return {
            "labels": list(self.labels),
            "top1_accuracy": percent(self.top1 / self.count),
            "top5_accuracy": percent(self.top5 / self.count),
            **self.confusion.to_json(),
            "class_accuracy": dict(zip(self.labels, self.per_class, strict=True)),
            **self.measures.to_json(self.labels),
        }


@dataclass
class ManyResult:
    """The answer for a list: rows in the list's order, also of what could not be read."""

    accuracy: Accuracy
    rows: list[Row] = field(default_factory=list)
    is_probability: bool = True

    @property
    def unreadable(self) -> list[Row]:
        return [row for row in self.rows if row.predicted is None]

    def to_json(self) -> dict[str, Any]:
        return {
            "classifications": {
                row.name: [list(pair) for pair in row.predictions]
                for row in self.rows
                if row.predicted is not None
            },
            "unreadable": {row.name: row.reason for row in self.unreadable},
            **unit(self.is_probability),
            **self.accuracy.to_json(),
        }


def rows_of(
    classified: Iterable[ClassifiedPicture],
    entries: Iterable[Entry],
    reasons: Mapping[int, str],
    accuracy: Accuracy,
    is_probability: bool = True,
) -> Iterator[tuple[Row, bytes]]:
    """Each answer of a worker beside its entry, with its thumbnail; `accuracy` counts them.

    `reasons` (why an entry gave no picture) come before the worker's own.
    """
    for entry, picture in zip(entries, classified, strict=True):
        predictions = picture.predictions
        if predictions and entry.label is not None:
            accuracy.add(entry.label, predictions)
        row = Row(
            number=picture.number,
            name=entry.path,
            truth=entry.label,
            predicted=predictions[0].index if predictions else None,
            predictions=tuple(
                (each.label, shown_score(each.confidence, is_probability)) for each in predictions
            ),
            reason=reasons.get(picture.number) or picture.reason,
        )
        yield row, picture.thumbnail


def json_parts(
    rows: Iterable[Row], accuracy: Callable[[], Accuracy], is_probability: bool = True
) -> Iterator[str]:
    """The JSON of a ManyResult piece by piece; `accuracy` is asked for at the end."""
    unreadable: dict[str, str] = {}
    yield '{"classifications": {'
    comma = ""
    for count, row in enumerate(rows):
        if count % _ROWS_BETWEEN_PAUSES == 0:
            # A client that takes everything at once would leave others without an answer.
            time.sleep(0)
        if row.predicted is None:
            unreadable[row.name] = row.reason
            continue
        pairs = [list(pair) for pair in row.predictions]
        yield f"{comma}{strict_json.dumps(row.name)}: {strict_json.dumps(pairs)}"
        comma = ", "
    rest = {"unreadable": unreadable, **unit(is_probability), **accuracy().to_json()}
    yield "}, " + strict_json.dumps(rest)[1:]


def unit(is_probability: bool) -> dict[str, str]:
    """What an answer says of its numbers: nothing where they are percentages, as nearly always."""
    return {} if is_probability else {"unit": "score"}


def shown_score(score: float, is_probability: bool) -> float:
    """A class's score as answers have it: a probability as percent, any other with six digits."""
    return percent(score) if is_probability else float(f"{score:.6g}")


def percent(fraction: float) -> float:
    """A fraction as percent with two decimals."""
    return round(100 * fraction, 2)
