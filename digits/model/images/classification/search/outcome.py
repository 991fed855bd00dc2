"""What a search for the best settings has come to: the file that its program writes, read again.

Elsewhere: the program (`digits/tools/search_head.py`).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from digits.base.job_files import read_text

SEARCH_FILE = "search.json"
LARGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class SearchRow:
    """A learning rate and a weight decay, and how well the head did; all None: it diverged."""

    learning_rate: float
    weight_decay: float
    accuracy: float | None
    deviation: float | None
    loss: float | None


@dataclass(frozen=True)
class SearchOutcome:
    """The rows, the best first, of how many pictures in how many parts."""

    rows: tuple[SearchRow, ...]
    pictures: int
    parts: int

    @property
    def best(self) -> SearchRow:
        return self.rows[0]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_outcome(folder: Path) -> SearchOutcome | None:
    """What is there; None before the search is over, and for what cannot be used."""
    path = folder / SEARCH_FILE
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return None
        told = json.loads(read_text(path))
        rows = tuple(_row(row) for row in told["rows"])
        found = SearchOutcome(rows, int(told["pictures"]), int(told["parts"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if rows else None


def _row(told: dict[str, Any]) -> SearchRow:
    """A row; ValueError or TypeError for what is none."""
    row = SearchRow(**told)
    _require_number(row.learning_rate)
    _require_number(row.weight_decay)
    for value in (row.accuracy, row.deviation, row.loss):
        if value is not None:
            _require_number(value)
    return row


def _require_number(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
