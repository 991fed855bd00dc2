"""What an evaluation was asked for, in the words of the form that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from digits.jobs.record import Count
from digits.jobs.settings import JobSettings


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings(JobSettings):
    """A snapshot of a model, and the pictures that it classifies."""

    model: str  # its id
    model_name: str  # as it was called then
    epoch: float
    source: str  # of the pictures, in words
    limit: int | None = None  # pictures at most
    top_n: Count = 9  # best ones of each category
