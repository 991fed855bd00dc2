"""What a newcomer does next: make a dataset, train a model, try it out.

In: all jobs, and the kinds of jobs.  Out: `FirstSteps` for the home page until a model has
classified something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from digits.home.samples import SAMPLES, Sample, sample_of
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.web.kind import JobKind, Kinds
from digits.web.tried import was_tried

# Who has more jobs than these needs no steps.
FEW_JOBS = 4
_LOST = (Status.ERROR, Status.ABORTED)


@dataclass(frozen=True)
class FirstSteps:
    """The dataset and the model that there are, which may still be on their way.

    `dataset_kind` and `model_kind` are offered where there is none; no model: none can learn.
    """

    dataset: Job | None
    model: Job | None
    dataset_kind: JobKind
    model_kind: JobKind | None

    @property
    def model_values(self) -> dict[str, Any]:
        """What the form of the model is filled in with: for the sample, all that makes it learn."""
        if self.dataset is None:
            return {}
        sample = self.sample
        values = {"model_name": sample.model_name, **sample.model.changed()} if sample else {}
        return {**values, "dataset": self.dataset.id}

    @property
    def sample(self) -> Sample | None:
        """Which one the dataset was made as."""
        return sample_of(self.dataset)

    @property
    def samples(self) -> Sequence[Sample]:
        """Which ones there are."""
        return list(SAMPLES.values())

    @property
    def can_be_tried(self) -> bool:
        """Whether the model has learned."""
        return self.model is not None and self.model.status is Status.DONE


def first_steps(jobs: Sequence[Job], kinds: Kinds) -> FirstSteps | None:
    """The steps, from jobs given oldest first; None for who has come through them."""
    if len(jobs) > FEW_JOBS:
        return None
    models = [job for job in jobs if job.category == "model"]
    if any(was_tried(model) for model in models):
        return None
    datasets = [job for job in jobs if job.category == "dataset" and job.status not in _LOST]
    hopeful = [model for model in models if model.status not in _LOST]
    learnable = [dataset for dataset in datasets if kinds.to_train_on(dataset)]
    dataset = next(reversed(learnable or datasets), None)
    return FirstSteps(
        dataset=dataset,
        model=hopeful[-1] if hopeful else None,
        dataset_kind=kinds.to_make("dataset")[0],
        model_kind=kinds.to_train_on(dataset),
    )
