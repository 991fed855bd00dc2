"""What a dataset has come to, as lists show it."""

from __future__ import annotations

from dataclasses import dataclass

from digits.jobs.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetResults(Results):
    """Records of all its databases together, and the categories that they belong to."""

    records: int | None = None
    categories: int | None = None
