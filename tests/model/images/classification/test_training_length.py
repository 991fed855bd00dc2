"""How long a training goes on: early stopping, what is kept, and going on, from form to files."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_for_status
from tests.model.images.classification.test_creation import begun, custom, finished
from tests.model.requests import create, errors

LENGTH = {
    "early_stopping_patience": "2.5",
    "early_stopping_threshold": "0.01",
    "snapshots_kept": "3",
}


def test_the_page_and_a_clone_have_what_was_asked_for(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    job = begun(models, create(client, dataset.id, **custom(**LENGTH)), would_start)
    words = dict(job.settings_in_words({}))
    assert words["Early stopping"] == (
        "after 2.5 epochs without a better validation by more than 0.01"
    )
    assert words["Snapshots"] == "every epoch, the best and the last 3 kept"
    page = client.get(f"/models/images/classification/new?clone={job.id}").text
    for name, value in LENGTH.items():
        assert f'value="{value}"' in page, name


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"early_stopping_patience": "-1"}, "0"),
        ({"early_stopping_patience": "soon"}, "number"),
        ({"early_stopping_threshold": "1001"}, "1000"),
        ({"snapshots_kept": "0"}, "1"),
        ({"snapshots_kept": "1.5"}, "whole number"),
        ({"early_stopping_patience": "2", "val_interval": "0"}, "validation interval is 0"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, fields: dict[str, str], said: str
) -> None:
    found = errors(create(client, dataset.id, **custom(**fields)))
    assert said in found[next(iter(fields))]


def test_only_a_training_that_is_done_goes_on(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    waiting = begun(models, create(client, dataset.id, **custom()), would_start)
    answer = client.post(f"/models/{waiting.id}/train_longer.json", data={"train_epochs": "1"})
    assert answer.status_code == 403
    for wrong in ({"train_epochs": "0"}, {"train_epochs": "1", "learning_rate": "0"}):
        answer = client.post(f"/models/{trained.id}/train_longer.json", data=wrong)
        assert answer.status_code == 400
        assert list(answer.json["errors"])
    page = client.get(f"/models/{trained.id}/train_longer")
    assert 'name="train_epochs"' in page.text
    assert "goes on from where its training ended, after 4 epochs" in page.text
    assert "Train longer" in client.get(f"/models/{trained.id}").text
    missing = client.get("/models/20150421-140640-d697a3/train_longer")
    assert missing.status_code == 404


@pytest.mark.slow
def test_a_real_training_stops_early_and_goes_on(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    # Nothing is better by more than all there is; a busy server takes a while to see it.
    form = custom(
        train_epochs="5000",
        learning_rate="0.0001",
        batch_size="9",
        random_seed="1",
        early_stopping_patience="2",
        early_stopping_threshold="1",
        snapshots_kept="2",
    )
    job = finished(models, create(client, dataset.id, **form))
    assert "Stopped early" in (job.train_task.message or "")
    ended_at = job.train_task.curves.iteration
    assert ended_at < 15_000
    assert len(job.snapshots()) <= 3
    answer = client.post(
        f"/models/{job.id}/train_longer.json", data={"train_epochs": "2", "learning_rate": "0.001"}
    )
    assert answer.status_code == 200, answer.text
    wait_for_status(models, job.id, Status.DONE)
    curves = job.train_task.curves
    assert curves.iteration >= ended_at + 6
    assert job.train_task.update_data("lr_graph")["columns"][1][-1] == pytest.approx(0.001)
    assert job.train_task.message is None
