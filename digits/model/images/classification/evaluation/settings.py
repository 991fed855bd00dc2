"""What an evaluation was asked for, in the words of the form that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def source_title(self) -> str:
        """The source as it is called today, so that two can be compared."""
        return EARLIER_SOURCES.get(self.source, self.source)
