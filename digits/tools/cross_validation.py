"""Measure how well a head learns with pairs of a learning rate and a weight decay.

In: a head, a solver, features of records.  Out: what came of each pair on each part of the records,
which was left out of the learning then; and the pairs in their order, the best first.
Elsewhere: the head (`head_net.py`), the program, whose files let it go on (`search_head.py`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from digits.errors import ToolError

if TYPE_CHECKING:
    from digits.caffe.layers.base import LayerContext
    from digits.caffe.proto.caffe_pb2 import SolverParameter
    from digits.tools.head_net import HeadNet, Records

Integers = npt.NDArray[np.int64]

# What the rate that was asked for is multiplied by, and decays beside the one asked for.
RATE_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
DECAYS = (0.0, 0.0005, 0.005, 0.05)
FEW_RECORDS, PARTS_OF_FEW, PARTS = 200, 5, 3
# Chance is the same for all pairs, so that they can be compared.
SEED = 1


@dataclass(frozen=True)
class Place:
    """A pair, and the number of the part that is left out."""

    learning_rate: float
    weight_decay: float
    part: int


@dataclass(frozen=True)
class Measured:
    """What came of a pair on a part: both None where it diverged."""

    learning_rate: float
    weight_decay: float
    part: int
    accuracy: float | None
    loss: float | None

    @property
    def place(self) -> Place:
        return Place(self.learning_rate, self.weight_decay, self.part)


@dataclass(frozen=True)
class Row:
    """What came of a pair on all parts: means, and the deviation of the accuracies."""

    learning_rate: float
    weight_decay: float
    accuracy: float | None
    deviation: float | None
    loss: float | None

    @property
    def rank(self) -> tuple[float, float]:
        """The lower, the better: by accuracy, then by loss; what has diverged comes last."""
        if self.loss is None:
            return math.inf, math.inf
        return -(self.accuracy or 0.0), self.loss


@dataclass(frozen=True)
class Validation:
    """A head and what it is to learn from; `accuracy` and `loss` name outputs of its test net."""

    head: HeadNet
    solver: SolverParameter
    records: Records
    context: LayerContext
    accuracy: str = "accuracy"
    loss: str = "loss"

    @property
    def parts(self) -> int:
        """How many parts the records are cut into: few records take more."""
        return PARTS_OF_FEW if len(self.records) <= FEW_RECORDS else PARTS

    def places(self) -> list[Place]:
        """All that is to be measured."""
        pairs = candidates(self.solver.base_lr, self.solver.weight_decay)
        return [Place(*pair, part) for pair in pairs for part in range(self.parts)]

    def measure(self, known: Mapping[Place, Measured] | None = None) -> Iterator[Measured]:
        """What comes of each place; those that are known are not measured again.

        Raises ToolError for a net that says nothing.
        """
        parts = stratified(self.records.labels, self.parts)
        for place in self.places():
            if known and place in known:
                yield known[place]
            else:
                yield self._measured(place, parts == place.part)

    def _measured(self, place: Place, left_out: npt.NDArray[np.bool_]) -> Measured:
        from digits.caffe.errors import SolverError  # noqa: PLC0415

        param = type(self.solver)()
        param.CopyFrom(self.solver)
        param.base_lr, param.weight_decay = place.learning_rate, place.weight_decay
        param.random_seed = SEED
        outcome: Mapping[str, float] = {}
        with contextlib.suppress(SolverError):  # it diverged
            learned = self.records.part(np.flatnonzero(~left_out))
            solver = self.head.train(param, learned, self.context)
            try:
                outcome = self.head.test(solver, self.records.part(np.flatnonzero(left_out)))
            finally:
                solver.close()
        return self._told(place, outcome)

    def _told(self, place: Place, outcome: Mapping[str, float]) -> Measured:
        if outcome and not {self.accuracy, self.loss} & set(outcome):
            raise ToolError(
                f"The network says neither {self.accuracy} nor {self.loss} in its tests, but "
                f"{', '.join(outcome)}."
            )
        accuracy, loss = (_finite(outcome.get(name)) for name in (self.accuracy, self.loss))
        if self.loss not in outcome and accuracy is not None:
            loss = 0.0  # it goes by accuracies alone
        return Measured(place.learning_rate, place.weight_decay, place.part, accuracy, loss)


def candidates(rate: float, decay: float) -> list[tuple[float, float]]:
    """The pairs that are tried: around the rate that was asked for; with its decay, too."""
    # As few digits as tell them apart: 0.03, not 0.029999999.
    rates = [float(f"{rate * factor:.6g}") for factor in RATE_FACTORS]
    decays = sorted({*DECAYS, float(f"{decay:.6g}")})
    return [(one, other) for one in rates for other in decays]


def stratified(labels: Integers, parts: int) -> Integers:
    """For each record the part that it belongs to; each category is spread over all parts."""
    found = np.empty(len(labels), np.int64)
    random = np.random.default_rng(SEED)
    first = 0
    for label in np.unique(labels):
        numbers = np.flatnonzero(labels == label)
        random.shuffle(numbers)
        found[numbers] = (first + np.arange(len(numbers))) % parts
        first += len(numbers)
    return found


def ranked(measured: Iterable[Measured]) -> list[Row]:
    """A row for each pair, the best first."""
    by_pair: dict[tuple[float, float], list[Measured]] = {}
    for each in measured:
        by_pair.setdefault((each.learning_rate, each.weight_decay), []).append(each)
    return sorted((_row(pair, own) for pair, own in by_pair.items()), key=lambda row: row.rank)


def _row(pair: tuple[float, float], own: Sequence[Measured]) -> Row:
    losses = [each.loss for each in own if each.loss is not None]
    accuracies = [each.accuracy for each in own if each.accuracy is not None]
    if len(losses) < len(own):
        return Row(*pair, None, None, None)
    accuracy = float(np.mean(accuracies)) if accuracies else None
    deviation = float(np.std(accuracies)) if accuracies else None
    return Row(*pair, accuracy, deviation, float(np.mean(losses)))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
