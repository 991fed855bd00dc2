"""What is known of each snapshot: its size on disk, how well it did, which is best.

In: the weights on disk and the training's history.  Out: one row a snapshot.  A snapshot's measures
are those of the validation pass at its very iteration: that pass saw the same weights.

Elsewhere: the files (`snapshots.py`), which of them may go (`model/tasks/train.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from digits.model.training.history import Table
from digits.model.training.plan import TrainingPlan


@dataclass(frozen=True)
class SnapshotFacts:
    """A snapshot; its measures are None when no validation pass came at its iteration.

    `accuracy` is from 0 to 1.  `kept_because` says why it cannot be deleted now; empty when it can.
    """

    epoch: float | int
    iteration: int
    size_bytes: int
    accuracy: float | None
    loss: float | None
    has_best_accuracy: bool = False
    has_lowest_loss: bool = False
    is_last: bool = False
    kept_because: str = ""

    @property
    def is_best(self) -> bool:
        return self.has_best_accuracy or self.has_lowest_loss

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def snapshot_table(
    weights: Mapping[int, Path], plan: TrainingPlan, val: Table, kept: Mapping[int, str]
) -> list[SnapshotFacts]:
    """A row for each of `weights` (by iteration, oldest first); `kept`: why some cannot go.

    Of equally good snapshots the first is the best: it took the least training.
    """
    accuracy = _measured(val, plan.accuracy_name(val.columns))
    loss = _measured(val, plan.loss_name(val.columns))
    rows = [
        SnapshotFacts(
            epoch=plan.epoch_name(iteration),
            iteration=iteration,
            size_bytes=_size(path),
            accuracy=accuracy.get(iteration),
            loss=loss.get(iteration),
            kept_because=kept.get(iteration, ""),
        )
        for iteration, path in weights.items()
    ]
    return _marked(rows)


def best_snapshot(table: Sequence[SnapshotFacts]) -> SnapshotFacts | None:
    """The one with the best accuracy; without accuracies the one with the lowest loss."""
    ranked = [row for row in table if row.has_best_accuracy]
    ranked += [row for row in table if row.has_lowest_loss]
    return ranked[0] if ranked else None


def _marked(rows: Sequence[SnapshotFacts]) -> list[SnapshotFacts]:
    accuracies = [row.accuracy for row in rows if row.accuracy is not None]
    losses = [row.loss for row in rows if row.loss is not None]
    best = next((r for r in rows if accuracies and r.accuracy == max(accuracies)), None)
    lowest = next((r for r in rows if losses and r.loss == min(losses)), None)
    return [
        replace(
            row,
            has_best_accuracy=row is best,
            has_lowest_loss=row is lowest,
            is_last=row is rows[-1],
        )
        for row in rows
    ]


def _measured(table: Table, name: str | None) -> dict[int, float]:
    """The finite values of a column by iteration."""
    if name is None:
        return {}
    pairs = zip(table.iterations, table.columns[name], strict=True)
    return {at: value for at, value in pairs if value is not None and math.isfinite(value)}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # deleted meanwhile
