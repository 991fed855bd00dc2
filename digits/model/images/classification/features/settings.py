"""What a file of features was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from digits.jobs.record import Count
from digits.jobs.settings import JobSettings


@dataclass(frozen=True, kw_only=True)
class FeaturesSettings(JobSettings):
    """A snapshot of a model, one of its network's blobs, and a set of its dataset."""

    model: str  # its id
    model_name: str  # as it was called then
    epoch: float
    database: str  # train, val or test
    blob: str
    pictures: Count  # in the database
