"""Which trainings hold a light slot: heads on features of few pictures, that ask for no GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.resources import GPU, LIGHT, TRAIN
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification import light
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.images.classification.settings_in_words import settings_in_words
from digits.model.images.classification.training_files import make_files
from digits.model.network.text import parse_network
from tests.conftest import wait_until
from tests.model.requests import TINY, create

SETTINGS = ImageClassificationModelSettings(dataset="", fine_tune="head")


@pytest.mark.parametrize(
    ("settings", "is_light"),
    [
        ({}, True),
        ({"fine_tune": ""}, False),
        ({"fine_tune": "", "standard_networks": "efficientnet-lite0"}, True),
        ({"fine_tune": "last_blocks"}, False),
        ({"caffe_root": "/opt/caffe"}, False),
        ({"use_gpu": True}, True),
        ({"use_gpu": True, "select_gpu": "0"}, False),
        ({"use_gpu": True, "select_gpus": ("0", "1")}, False),
        ({"use_gpu": True, "select_gpu_count": 1}, False),
        # The 36 pictures of the dataset, so often: what a GPU is worth waiting for.
        ({"feature_variants": 500}, True),
        ({"feature_variants": 600}, False),
    ],
)
def test_a_head_on_features_of_few_pictures_is_light(
    dataset: ImageClassificationDatasetJob, settings: dict[str, Any], is_light: bool
) -> None:
    assert light.is_light(replace(SETTINGS, **settings), dataset) == is_light


def model_of(
    dataset: ImageClassificationDatasetJob, **settings: Any
) -> ImageClassificationModelJob:
    job = ImageClassificationModelJob(
        dataset.dir.parent / "20260101-000000-000000",
        "A head",
        replace(SETTINGS, dataset=dataset.id, **settings),
    )
    job.link({dataset.id: dataset})
    job.tasks = job.create_tasks()
    job.link({dataset.id: dataset})
    return job


def test_a_light_training_runs_on_the_cpu_though_the_server_has_gpus(
    dataset: ImageClassificationDatasetJob,
) -> None:
    job = model_of(dataset, use_gpu=True)
    task = job.train_task
    assert task.need().kind == LIGHT
    task.allocation, task.slot_kind = ["0"], LIGHT
    assert not [word for word in task.arguments() if word.startswith("--gpu")]
    assert dict(settings_in_words(job, {}))["Devices"] == "CPU"
    assert not task.has_gpu


def test_a_head_that_began_on_a_gpu_goes_on_there(dataset: ImageClassificationDatasetJob) -> None:
    task = model_of(dataset, use_gpu=True).train_task
    task.allocation, task.slot_kind = ["1"], GPU
    assert "--gpu=1" in task.arguments()


def test_a_light_training_is_not_written_for_a_gpu(
    dataset: ImageClassificationDatasetJob,
) -> None:
    job = model_of(dataset, use_gpu=True)
    settings = replace(job.settings, use_gpu=job.train_task.has_gpu)
    files = make_files(parse_network(TINY), dataset, job.dir, settings)
    assert files.solver.solver_mode == files.solver.CPU


@pytest.mark.usefixtures("would_start")
def test_a_head_does_not_wait_for_a_training(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    long = {"method": "custom", "custom_network": TINY, "train_epochs": "1000"}
    head = {"method": "previous", "previous_networks": trained.id, f"{trained.id}-snapshot": "4"}
    ids = [
        create(client, dataset.id, **long, batch_size="9").json["id"],
        create(client, dataset.id, **head, batch_size="9", fine_tune="head").json["id"],
    ]
    wanted = {TRAIN: ids[0], LIGHT: ids[1]}
    wait_until(lambda: {u.kind: u.job.id for u in models.holdings() if u.job} == wanted)
    assert "Light work" in client.get("/").text
