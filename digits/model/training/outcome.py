"""What a training has come to: its best measures, and how long it took.

The validation before the first iteration measures what was there before the training: it counts for
nothing here, as there is no snapshot of it (`snapshot_table.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from digits.model.training.history import History, Table
from digits.model.training.plan import TrainingPlan


@dataclass(frozen=True)
class Best:
    """The best value of a measure in validation, and the epoch that it came at."""

    value: float
    epoch: float | int


@dataclass(frozen=True)
class Outcome:
    """Of a training, whether it has ended or not; what is not known is None.

    `accuracy.value` is from 0 to 1.  `time_s` counts the time in which a process trained.
    """

    accuracy: Best | None
    loss: Best | None
    epochs: float
    iterations: int
    time_s: float

    @property
    def iterations_per_s(self) -> float | None:
        """Over the whole training, passes over the validation set included."""
        return self.iterations / self.time_s if self.time_s > 0 and self.iterations else None


def outcome_of(history: History, plan: TrainingPlan) -> Outcome:
    """The outcome that a history tells."""
    val = history.val
    return Outcome(
        accuracy=_best(val, plan.accuracy_name(val.columns), plan, max),
        loss=_best(val, plan.loss_name(val.columns), plan, min),
        epochs=round(plan.epoch(history.iteration), 3),
        iterations=history.iteration,
        time_s=history.trained_s,
    )


def _best(
    table: Table,
    name: str | None,
    plan: TrainingPlan,
    choose: Callable[[list[float]], float],
) -> Best | None:
    """The first of the best finite values of a column, after the beginning of the training."""
    if name is None:
        return None
    pairs = zip(table.iterations, table.columns[name], strict=True)
    found = {at: value for at, value in pairs if at and value is not None and math.isfinite(value)}
    if not found:
        return None
    value = choose(list(found.values()))
    at = next(iteration for iteration, each in found.items() if each == value)
    return Best(value, plan.epoch_name(at))
