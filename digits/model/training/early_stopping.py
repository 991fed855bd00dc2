"""Early stopping: whether a training has gone on for long enough without getting better.

In: a training's history.  Out: since when nothing got better, in words.  It is told from the log
alone, so a later server comes to the same answer, and real Caffe's trainings stop as ours do.

Elsewhere: how a training is asked to end (`jobs/runner.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from digits.model.training.history import History
from digits.model.training.plan import TrainingPlan


@dataclass(frozen=True)
class Stalled:
    """A training that did not get better for `patience` epochs; `best` is an accuracy or a loss."""

    measure: str
    is_accuracy: bool
    best: float
    best_epoch: float | int
    epoch: float | int
    patience: float

    def __str__(self) -> str:
        best = f"{100 * self.best:.4g} %" if self.is_accuracy else f"{self.best:.4g}"
        return (
            f"Stopped early at epoch {self.epoch:g}: {self.measure} of the validation set had not "
            f"become better than {best} (epoch {self.best_epoch:g}) for {self.patience:g} epochs."
        )


def stalled(
    history: History, plan: TrainingPlan, patience: float, threshold: float
) -> Stalled | None:
    """Whether the last `patience` epochs of validation brought nothing; 0: they may.

    The measure is the accuracy by which snapshots are compared, without one the loss; it got better
    when it passed its best by more than `threshold`.  The validation before the first iteration
    counts for nothing, as there is no snapshot of it.
    """
    val = history.val
    accuracy = plan.accuracy_name(val.columns)
    name = accuracy or plan.loss_name(val.columns)
    if name is None or patience <= 0:
        return None
    sign = 1.0 if accuracy else -1.0
    best, best_at, last_at = math.nan, 0, 0
    for iteration, value in zip(val.iterations, val.columns[name], strict=True):
        if not iteration or value is None:
            continue
        last_at = iteration
        if math.isfinite(value) and not sign * (value - best) <= threshold:
            best, best_at = value, iteration
    if not best_at or last_at - best_at < patience * plan.epoch_iterations:
        return None
    return Stalled(
        measure=name,
        is_accuracy=accuracy is not None,
        best=best,
        best_epoch=plan.epoch_name(best_at),
        epoch=plan.epoch_name(last_at),
        patience=patience,
    )
