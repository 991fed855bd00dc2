"""A copy of a model, made by a script: `clone` with the id of another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.model.requests import ROUTE, TINY, create, errors

OWN = ("weights_report", "caffe_root", "python_layers", "use_gpu")


def copied(
    models: Scheduler, answer: Any, original: ImageClassificationModelJob
) -> ImageClassificationModelJob:
    """The copy that an answer names, stopped; it has the original's settings and network."""
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    assert job.id != original.id
    if job.status.is_active:
        models.abort_job(job.id)
    fresh = {name: getattr(original.settings, name) for name in OWN}
    assert replace(job.settings, **fresh) == original.settings
    assert job.network_text() == original.network_text()
    return job


@pytest.mark.parametrize("where", ["form", "query", "json"])
def test_an_id_alone_makes_a_copy(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob, where: str
) -> None:
    # It was ignored, or refused for having no name.
    match where:
        case "form":
            answer = client.post(ROUTE, data={"clone": trained.id})
        case "json":
            answer = client.post(ROUTE, json={"clone": trained.id})
        case _:
            answer = client.post(f"{ROUTE}?clone={trained.id}")
    job = copied(models, answer, trained)
    assert job.name == trained.name
    models.delete_job(job.id)


def test_what_is_sent_beside_it_is_replaced(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    # The copy of a learning rate of 0.0125 had one of 0.01.
    answer = create(
        client,
        "no such dataset",
        clone=trained.id,
        model_name="Copy",
        learning_rate="7",
        train_epochs="many",
        custom_network="nonsense",
        method="standard",
        use_mean="none",
        batch_size="3",
        mirror="on",
    )
    job = copied(models, answer, trained)
    assert job.name == "Copy"
    models.delete_job(job.id)


def test_unknown_fields_are_refused_beside_it_too(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    answer = client.post(ROUTE, data={"clone": trained.id, "learning_rat": "1"})
    assert "learning_rate" in errors(answer)["learning_rat"]


@pytest.mark.parametrize(
    ("clone", "status"), [("20150421-140640-d697aa", 404), ("x" * 3000, 404), ("/../", 404)]
)
def test_a_model_that_is_not_there_cannot_be_cloned(
    client: FlaskClient, clone: str, status: int
) -> None:
    assert client.post(ROUTE, data={"clone": clone}).status_code == status
    assert client.post(ROUTE, json={"clone": clone}).status_code == status


def test_a_dataset_cannot_be_cloned_into_a_model(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    assert client.post(ROUTE, data={"clone": dataset.id}).status_code == 404
    answer = client.post(ROUTE, json={"clone": [dataset.id]})
    assert "A list was sent" in errors(answer)["clone"]


def test_a_copy_of_a_copy_of_uploaded_weights_has_them(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    weights = trained.snapshot("2")[1]
    with weights.open("rb") as upload:
        answer = create(
            client,
            dataset.id,
            method="custom",
            custom_network=TINY,
            custom_network_weights=(upload, "mine.caffemodel"),
            learning_rate="0.0125",
            lr_policy="multistep",
            lr_multistep_values="12.3456789,85",
            batch_size="9",
            train_epochs="1",
            group_name="With weights",
        )
    assert answer.status_code == 200, answer.text
    original = models.job(answer.json["id"])
    assert isinstance(original, ImageClassificationModelJob)
    made = [original]
    for _ in range(2):
        made.append(copied(models, client.post(ROUTE, data={"clone": made[-1].id}), made[-1]))
    assert made[-1].group == "With weights"
    assert made[-1].settings.lr_multistep_values == (12.3456789, 85.0)
    kept = [job.dir / "pretrained.caffemodel" for job in made]
    assert {path.read_bytes() for path in kept} == {weights.read_bytes()}
    for job in made:
        models.delete_job(job.id)


def test_a_copy_needs_no_previous_network_any_more(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    middle = copied(models, client.post(ROUTE, data={"clone": trained.id}), trained)
    for epoch in ("2", "0"):
        answer = create(
            client,
            dataset.id,
            method="previous",
            previous_networks=trained.id if epoch == "2" else middle.id,
            train_epochs="1",
            **{f"{trained.id}-snapshot": epoch},
        )
        assert answer.status_code == 200, answer.text
        original = models.job(answer.json["id"])
        assert isinstance(original, ImageClassificationModelJob)
        models.abort_job(original.id)
        if epoch == "0":
            models.delete_job(middle.id)
        job = copied(models, client.post(ROUTE, data={"clone": original.id}), original)
        models.delete_job(job.id)
        models.delete_job(original.id)


def test_a_copy_needs_its_dataset(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob, tmp_path: Path
) -> None:
    lost = copied(models, client.post(ROUTE, data={"clone": trained.id}), trained)
    lost.settings = replace(lost.settings, dataset="20150421-140640-d697aa")
    answer = client.post(ROUTE, data={"clone": lost.id})
    assert "There is no dataset" in errors(answer)["dataset"]
    models.delete_job(lost.id)


def test_a_browser_needs_the_token_for_a_copy(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    page = client.post(f"{ROUTE.removesuffix('.json')}?clone={trained.id}")
    assert page.status_code == 400


def test_a_cloned_form_shows_numbers_as_they_were_typed(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    page = client.get(f"/models/images/classification/new?clone={trained.id}").text
    assert 'name="lr_step_size"' in page
    assert 'value="33.0"' not in page
