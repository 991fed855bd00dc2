"""What an evaluation was asked for, in the words of the form that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from digits.dataset.titles import set_title
from digits.jobs.record import Count
from digits.jobs.settings import JobSettings

# What evaluations of earlier versions called the sets of a dataset.
EARLIER_SOURCES = {f"{split} database": set_title(split) for split in ("train", "val", "test")}


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings(JobSettings):
    """A snapshot of a model, and the pictures that it classifies."""

    model: str  # its id
    model_name: str  # as it was called then
    epoch: float
    source: str  # of the pictures, in words
    limit: int | None = None  # pictures at most
    top_n: Count = 9  # best ones of each category

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """As of any job; a source is called as it is called today, so that two can be compared."""
        source = data.get("source")
        if isinstance(source, str) and source in EARLIER_SOURCES:
            data = {**data, "source": EARLIER_SOURCES[source]}
        return super().from_json(data)
