"""A newcomer's steps stay until a model has classified something."""

from __future__ import annotations

from pathlib import Path

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.home.first_steps import first_steps
from digits.jobs.job import Job
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.web.tried import note_tried
from tests.apps import KINDS


def jobs(tmp_path: Path, status: Status) -> list[Job]:
    """A dataset that is done, and a model."""
    dataset = ImageClassificationDatasetJob(
        tmp_path / "D", "Pictures", ImageClassificationDatasetSettings()
    )
    model = ImageClassificationModelJob(
        tmp_path / "M", "LeNet", ImageClassificationModelSettings(dataset="D")
    )
    for job, reached in ((dataset, Status.DONE), (model, status)):
        job.dir.mkdir()
        job.history = StatusHistory([StatusChange(reached, 1.0)])
    return [dataset, model]


def test_they_stay_after_the_training_and_lead_to_the_model(tmp_path: Path) -> None:
    dataset, model = jobs(tmp_path, Status.DONE)
    steps = first_steps([dataset, model], KINDS)
    assert steps is not None
    assert (steps.dataset, steps.model, steps.can_be_tried) == (dataset, model, True)


def test_a_model_that_still_learns_cannot_be_tried(tmp_path: Path) -> None:
    steps = first_steps(jobs(tmp_path, Status.RUNNING), KINDS)
    assert steps is not None
    assert not steps.can_be_tried


def test_they_go_when_something_was_classified(tmp_path: Path) -> None:
    dataset, model = jobs(tmp_path, Status.DONE)
    note_tried(model)
    assert first_steps([dataset, model], KINDS) is None


def test_a_folder_that_cannot_be_written_is_no_matter(tmp_path: Path) -> None:
    _, model = jobs(tmp_path, Status.DONE)
    model.dir.rmdir()
    note_tried(model)
