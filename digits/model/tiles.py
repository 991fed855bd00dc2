"""The figures on top of a model's page: what matters first.

In: a model whose log has been read.  Out: tiles of words.  What is not known yet has its tile, so
that nothing moves when it comes.
Elsewhere: what they are taken from (`training/outcome.py`), several models (`compare/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from digits.base.formatting import duration
from digits.jobs.status import Status
from digits.model.job import ModelJob
from digits.model.training.outcome import Outcome
from digits.model.training.plan import TrainingPlan

NOT_YET = "–"


@dataclass(frozen=True)
class Tile:
    """A figure, its title, and a few words beside it."""

    title: str
    value: str
    note: str = ""


def tiles_of(job: ModelJob) -> list[Tile]:
    """Accuracy, best epoch, loss, time and pace; none before the first iterations."""
    outcome, plan = job.train_task.outcome(), job.train_task.plan
    if outcome is None or plan is None or not outcome.iterations:
        return []
    return [
        _accuracy(outcome, plan),
        _best_epoch(outcome, plan),
        _loss(outcome, job.train_task.last_outputs()["train"], plan),
        Tile(
            "Time of training",
            duration(outcome.time_s),
            f"{outcome.epochs:.4g} of {job.settings.train_epochs:g} epochs",
        ),
        _pace(job, outcome, plan),
    ]


def _accuracy(outcome: Outcome, plan: TrainingPlan) -> Tile:
    if outcome.accuracy is None:
        return Tile("Accuracy", NOT_YET, _why_not_measured(plan))
    return Tile("Accuracy", f"{100 * outcome.accuracy.value:.2f}%", "best in validation")


def _best_epoch(outcome: Outcome, plan: TrainingPlan) -> Tile:
    best = outcome.accuracy or outcome.loss
    if best is None:
        return Tile("Best epoch", NOT_YET, _why_not_measured(plan))
    return Tile("Best epoch", f"{best.epoch:g}", "by accuracy" if outcome.accuracy else "by loss")


def _loss(outcome: Outcome, last: Mapping[str, float | None], plan: TrainingPlan) -> Tile:
    """The lowest of validation; without one the newest of training."""
    if outcome.loss is not None:
        note = f"lowest in validation, epoch {outcome.loss.epoch:g}"
        return Tile("Loss", f"{outcome.loss.value:.4g}", note)
    value = last.get(plan.loss_name(last) or "")
    return Tile("Loss", NOT_YET if value is None else f"{value:.4g}", "last in training")


def _pace(job: ModelJob, outcome: Outcome, plan: TrainingPlan) -> Tile:
    """Of now while it trains, else over the whole training."""
    now = job.train_task.pace()["iterations_per_s"] if job.status is Status.RUNNING else None
    pace = now or outcome.iterations_per_s
    if not pace:
        return Tile("Pace", NOT_YET)
    return Tile(
        "Pace", f"{pace:.3g} iterations/s", f"{pace * plan.iteration_images:,.0f} pictures/s"
    )


def _why_not_measured(plan: TrainingPlan) -> str:
    return "not measured yet" if plan.val_images else "without validation pictures"
