"""The sample jobs: made by plain functions, without a request and whoever may log in."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.home import demo
from digits.home.first_steps import first_steps
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.apps import KINDS, running_app
from tests.conftest import wait_for_status
from tests.security.people import add_people


@pytest.mark.slow
def test_both_sample_jobs_are_made_once_also_where_users_log_in(
    jobs_dir: Path,
) -> None:
    add_people(jobs_dir)
    with running_app(jobs_dir) as app:
        services = app.extensions["digits"]
        demo.make_jobs(services)
        demo.make_jobs(services)
        dataset, model = services.scheduler.jobs
        assert isinstance(dataset, ImageClassificationDatasetJob)
        assert isinstance(model, ImageClassificationModelJob)
        assert (dataset.name, dataset.owner) == (demo.DATASET_NAME, "")
        assert (dataset.width, dataset.channels, dataset.settings.seed) == (28, 1, 1)
        assert (model.name, model.dataset_id) == (demo.MODEL_NAME, dataset.id)
        assert (model.settings.standard_networks, model.settings.train_epochs) == ("lenet", 15)
        wait_for_status(services.scheduler, dataset.id, Status.DONE, Status.ERROR)
        assert dataset.status is Status.DONE, dataset.error
        services.scheduler.abort_job(model.id)


def test_the_next_step_fills_in_the_form_of_the_sample_model(tmp_path: Path) -> None:
    dataset = ImageClassificationDatasetJob(tmp_path, demo.DATASET_NAME, demo.DATASET)
    steps = first_steps([dataset], KINDS)
    assert steps is not None
    assert steps.model_values == {
        "model_name": demo.MODEL_NAME,
        "standard_networks": "lenet",
        "train_epochs": 15,
        "random_seed": 1,
        "dataset": dataset.id,
    }
