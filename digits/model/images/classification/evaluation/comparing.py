"""Two evaluations of the same pictures side by side: who was right where the other was wrong.

In: two evaluations.  Out: which rows are of the same picture, how often the two agree, and the
measures of each category beside each other.
Pictures of a database go by their numbers in it; those of lists and folders by their names.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.base.job_files import read_bytes
from digits.errors import NotComparable
from digits.jobs.job import Job
from digits.model.images.classification.evaluation.job import ImageClassificationEvaluationJob
from digits.model.images.classification.evaluation.reading import Evaluation, Numbers
from digits.model.images.classification.evaluation.tasks import REQUEST_FILE
from digits.model.images.classification.try_out.measures import CategoryMeasures
from digits.model.images.classification.try_out.results import Accuracy

# Which pictures are shown: where the two answers differ, and by who was right.
OUTCOMES = ("different", "only_first", "only_second", "both_right", "both_wrong", "all")
MOST_OFFERED = 20


@dataclass(frozen=True)
class CategoryPair:
    """A category's measures by both, None where one has no picture of it nor took any for it."""

    number: int
    first: CategoryMeasures | None
    second: CategoryMeasures | None

    @property
    def pictures(self) -> int:
        return next((each.pictures for each in (self.first, self.second) if each), 0)

    @property
    def difference(self) -> float | None:
        """How much greater the second F1 is, as a fraction; None where one is not known."""
        first = self.first.f1 if self.first else None
        second = self.second.f1 if self.second else None
        return None if first is None or second is None else second - first


class Comparison:
    """Two evaluations, and the rows of each that are of the same pictures.

    Raises NotComparable when they tell apart other categories, or have no picture in common.
    """

    def __init__(self, first: Evaluation, second: Evaluation, *, by_number: bool) -> None:
        if list(first.labels) != list(second.labels):
            raise NotComparable(
                "These evaluations tell apart different categories. Choose two of models with the "
                "same categories."
            )
        self.first, self.second = first, second
        self.labels = first.labels
        self.numbers = _same_numbers(first, second) if by_number else _same_names(first, second)
        if not len(self.numbers):
            raise NotComparable(
                "These evaluations have no picture in common. Choose two of the same pictures."
            )

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def accuracies(self) -> tuple[Accuracy, Accuracy]:
        """Of each, over the pictures that both have."""
        return (
            self.first.accuracy(among=self.numbers[:, 0]),
            self.second.accuracy(among=self.numbers[:, 1]),
        )

    def counts(self) -> dict[str, int]:
        """How many pictures there are of each outcome."""
        return {name: int(np.count_nonzero(self._chosen(name))) for name in OUTCOMES}

    def find(self, outcome: str) -> Numbers:
        """The pairs of rows with this outcome, (n, 2)."""
        found: Numbers = self.numbers[self._chosen(outcome)]
        return found

    def by_category(self) -> list[CategoryPair]:
        """Every category that one of them knows, those first in which the second is worse."""
        first, second = (
            {each.number: each for each in accuracy.measures.categories}
            for accuracy in self.accuracies
        )
        pairs = [CategoryPair(n, first.get(n), second.get(n)) for n in sorted({*first, *second})]
        return sorted(pairs, key=lambda pair: pair.difference or 0.0)

    def _chosen(self, outcome: str) -> npt.NDArray[np.bool_]:
        first, second = self._right
        labelled = self._truth >= 0
        choices: dict[str, npt.NDArray[np.bool_]] = {
            "all": np.ones(len(self), bool),
            "different": self._predicted(0) != self._predicted(1),
            "only_first": first & ~second,
            "only_second": second & ~first,
            "both_right": first & second,
            "both_wrong": labelled & ~first & ~second,
        }
        return choices[outcome]

    @property
    def _truth(self) -> npt.NDArray[np.int64]:
        return self.first.column("truth")[self.numbers[:, 0]]

    def _predicted(self, which: int) -> npt.NDArray[np.int64]:
        evaluation = (self.first, self.second)[which]
        return evaluation.column("predicted")[self.numbers[:, which]]

    @cached_property
    def _right(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Where each was right."""
        truth = self._truth
        known = truth >= 0
        return known & (self._predicted(0) == truth), known & (self._predicted(1) == truth)


def _same_numbers(first: Evaluation, second: Evaluation) -> Numbers:
    numbers = np.arange(min(len(first), len(second)))
    return np.stack([numbers, numbers], axis=1)


def _same_names(first: Evaluation, second: Evaluation) -> Numbers:
    """A name may stand in a list more than once: the first ones belong together, and so on."""
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for number, name in enumerate(first.names()):
        waiting[name].append(number)
    pairs = [
        (waiting[name].popleft(), number)
        for number, name in enumerate(second.names())
        if waiting.get(name)
    ]
    return np.array(sorted(pairs), np.intp).reshape(-1, 2)


# Which evaluations are of the same pictures ------------------------------------------------------


def source_of(job: ImageClassificationEvaluationJob) -> dict[str, Any]:
    """What the program was told to classify; empty when its folder is damaged."""
    try:
        source = json.loads(read_bytes(job.dir / REQUEST_FILE))["source"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return source if isinstance(source, dict) else {}


def compared(
    one: ImageClassificationEvaluationJob, other: ImageClassificationEvaluationJob
) -> Comparison:
    """The two side by side.  Raises NotComparable."""
    sources = source_of(one), source_of(other)
    databases = [source.get("database") for source in sources]
    if databases[0] != databases[1]:
        raise NotComparable(
            "These evaluations are of different pictures. Choose two of the same ones."
        )
    return Comparison(one.results(), other.results(), by_number=databases[0] is not None)


def others_of_same(
    job: ImageClassificationEvaluationJob, jobs: Iterable[Job]
) -> list[ImageClassificationEvaluationJob]:
    """The evaluations that can be compared with `job`, the newest first."""
    alike = [
        other
        for other in jobs
        if isinstance(other, ImageClassificationEvaluationJob)
        and other is not job
        and other.settings.source_title == job.settings.source_title
    ]
    alike.sort(key=lambda other: other.history.created_s, reverse=True)
    database = source_of(job).get("database")
    found = (other for other in alike if source_of(other).get("database") == database)
    return _first(found, MOST_OFFERED)


def _first(
    found: Iterable[ImageClassificationEvaluationJob], most: int
) -> list[ImageClassificationEvaluationJob]:
    return [job for job, _ in zip(found, range(most), strict=False)]


def words_of(jobs: Sequence[ImageClassificationEvaluationJob]) -> list[str]:
    """What the evaluations are called beside each other: by their models, told apart by epochs."""
    names = [job.settings.model_name for job in jobs]
    if len(set(names)) == len(names):
        return names
    return [f"{job.settings.model_name}, epoch {job.settings.epoch:g}" for job in jobs]
