"""What all datasets have in common."""

from __future__ import annotations

from typing import Any

from digits.jobs.job import Job


class DatasetJob(Job):
    """A job whose folder holds records for training: each an input, and the target for it."""

    category = "dataset"

    def facts(self) -> dict[str, Any]:
        """What the tasks have found out so far, as plain JSON, for pages and scripts."""
        raise NotImplementedError

    def in_words(self) -> list[tuple[str, str]]:
        """What there is in it, as (title, words), for the form and the page of a model."""
        raise NotImplementedError
