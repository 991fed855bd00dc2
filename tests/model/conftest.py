"""An application with a tiny dataset and a model that was trained on it, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.inference import parse_net
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.apps import running_app
from tests.conftest import wait_for_status
from tests.launchers import RecordingLauncher
from tests.model.requests import TINY, create, dataset_form
from tests.model.workers import workers_of_others
from tests.pictures import make_class_folders

CLASSES = 3


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey pictures in three class folders."""
    folder = tmp_path_factory.mktemp("pictures")
    return make_class_folders(folder, classes=CLASSES, pictures=12, mode="L")


@pytest.fixture(scope="session")
def launcher() -> RecordingLauncher:
    return RecordingLauncher()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, launcher: RecordingLauncher) -> Iterator[Flask]:
    with running_app(tmp_path_factory.mktemp("models") / "jobs", launcher=launcher) as app:
        # The pool's threads are there before the first test counts them.
        parse_net(app.extensions["digits"].pool, 'layer { name: "a" }')
        yield app


@pytest.fixture(scope="session")
def models(app: Flask) -> Scheduler:
    """The application's scheduler."""
    scheduler: Scheduler = app.extensions["digits"].scheduler
    return scheduler


@pytest.fixture
def would_start(models: Scheduler, launcher: RecordingLauncher) -> Iterator[list[list[str]]]:
    """Nothing is started in this test: the commands that would be."""
    with launcher.recording() as commands:
        yield commands
        for job in models.jobs:
            if job.status.is_active:
                models.abort_job(job.id)


@pytest.fixture
def others(app: Flask) -> set[int]:
    """Workers in this process that the application's pool did not start."""
    return workers_of_others(app)


@pytest.fixture(scope="session")
def dataset(app: Flask, models: Scheduler, pictures: Path) -> ImageClassificationDatasetJob:
    """A finished dataset of 16x16 grey pictures: 27 to train with, 9 to validate."""
    route = "/datasets/images/classification.json"
    answer = app.test_client().post(route, data=dataset_form(pictures))
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationDatasetJob)
    return job


@pytest.fixture(scope="session")
def trained(
    app: Flask, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> ImageClassificationModelJob:
    """A finished model: the tiny network, four epochs of three iterations."""
    answer = create(
        app.test_client(),
        dataset.id,
        model_name="Tiny model",
        method="custom",
        custom_network=TINY,
        train_epochs="4",
        batch_size="9",
        random_seed="1",
        use_mean="y",
    )
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    return job
