"""A kind of job, as far as it has nothing to do with pages.

In: classes of jobs.  Out: a `Kind`, which says what belongs together.
Elsewhere: what a kind shows and asks of a user (`web/kind.py`), which kinds there are (`kinds.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from digits.jobs.job import Job
from digits.jobs.settings import JobSettings


@dataclass(frozen=True)
class Record:
    """What one record of a dataset holds, each in a word or two: "picture", "category"."""

    input: str  # what a model is shown
    target: str  # what it is to answer


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of job.

    A dataset says what a `record` of it holds; a model, which datasets it `learns_from`: jobs of
    this class.
    """

    job_type: type[Job]
    record: Record | None = None
    learns_from: type[Job] | None = None

    @property
    def name(self) -> str:
        """The kind's name in job.json."""
        return self.job_type.type_name

    @property
    def settings_type(self) -> type[JobSettings]:
        """The class of its jobs' settings."""
        return self.job_type.settings_type

    @property
    def category(self) -> str:
        """dataset, model, pretrained, evaluation or export."""
        return self.job_type.category

    def can_learn_from(self, dataset: Job) -> bool:
        """Whether it is a kind of models that a dataset can train."""
        return self.learns_from is not None and isinstance(dataset, self.learns_from)
