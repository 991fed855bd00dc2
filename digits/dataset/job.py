"""What all datasets have in common."""

from __future__ import annotations

from typing import Any

from digits.base.aside import Aside
from digits.dataset.features import KeptFeatures, kept_features
from digits.dataset.results import DatasetResults
from digits.jobs.job import Job


class DatasetJob(Job):
    """A job whose folder holds records for training: each an input, and the target for it."""

    category = "dataset"
    results_type = DatasetResults

    def measure(self, aside: Aside) -> DatasetResults:
        self.read_logs(whole=True)
        records, categories = self.count_records(), self.count_categories()
        size = self.measure_size(aside)
        return DatasetResults(size_bytes=size, records=records, categories=categories)

    def count_records(self) -> int | None:
        """The records of all its databases, once its logs have been read; None: not known."""
        return None

    def count_categories(self) -> int | None:
        """The categories of its records; None where there are none, or they are not known."""
        return None

    def features(self) -> KeptFeatures:
        """What trainings have kept beside it."""
        return kept_features(self.dir)

    def facts(self) -> dict[str, Any]:
        """What the tasks have found out so far, as plain JSON, for pages and scripts."""
        raise NotImplementedError

    def in_words(self) -> list[tuple[str, str]]:
        """What there is in it, as (title, words), for the form and the page of a model."""
        raise NotImplementedError

    def in_original_words(self) -> list[tuple[str, str]]:
        """The same in the words that scripts of the original look for."""
        return self.in_words()
