"""What all datasets have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from digits.jobs.job import Job


class DatasetJob(Job):
    """A job whose folder holds databases, labels and a mean for training."""

    category = "dataset"
    page_template: ClassVar[str]

    def facts(self) -> dict[str, Any]:
        """What the tasks have found out so far, as plain JSON, for pages and scripts."""
        raise NotImplementedError
