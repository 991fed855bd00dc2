"""Snapshots as a list offers them: with what is known of each, the best one by its name.

In: the table of a model's snapshots.  Out: a line for each, the newest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digits.model.training.snapshot_table import SnapshotFacts, best_snapshot

# In place of an epoch: the snapshot that did best in validation.
BEST = "best"


@dataclass(frozen=True)
class SnapshotChoice:
    """A line of the list: what `snapshot_epoch` is then, and the words."""

    value: str
    words: str
    is_last: bool = False


def snapshot_choices(table: Sequence[SnapshotFacts]) -> list[SnapshotChoice]:
    """All of them, after the best one where there are several and their measures are known.

    `ModelJob.snapshot` understands the values.
    """
    best = best_snapshot(table)
    choices = [
        SnapshotChoice(f"{row.epoch}", snapshot_words(row, best), row.is_last) for row in table
    ]
    if best is not None and len(table) > 1:
        words = f"Best: epoch {best.epoch:g}{_measure(best, ', ')}"
        choices.append(SnapshotChoice(BEST, words))
    return choices[::-1]


def snapshot_words(row: SnapshotFacts, best: SnapshotFacts | None) -> str:
    """`Epoch #7 · 97.12% · best · last`."""
    marks = [mark for mark, is_so in (("best", row is best), ("last", row.is_last)) if is_so]
    return " · ".join([f"Epoch #{row.epoch:g}{_measure(row, ' · ')}", *marks])


def _measure(row: SnapshotFacts, before: str) -> str:
    if row.accuracy is not None:
        return f"{before}{100 * row.accuracy:.2f}%"
    return "" if row.loss is None else f"{before}loss {row.loss:.4g}"
