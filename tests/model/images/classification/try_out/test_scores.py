"""A network whose output is no probability: its scores are shown as they are, never as percent."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.formats import prototxt
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_for_status, wait_until

ROUTE = "/models/images/classification"
JOB = "20260101-000000-5c0e5e"


@pytest.fixture(scope="module")
def scorer(app: Flask, models: Scheduler, trained: ImageClassificationModelJob) -> Iterator[str]:
    """The trained model as a loss without a softmax would have left it."""
    folder = models.store.jobs_dir / JOB
    wait_until(lambda: '"Done"' in (trained.dir / "job.json").read_text())
    shutil.copytree(trained.dir, folder, ignore=shutil.ignore_patterns("*.part"))
    record = folder / "job.json"
    record.write_text(record.read_text().replace(trained.id, JOB))
    deploy = prototxt.read_net(folder / "deploy.prototxt")
    del deploy.layer[-1]
    (folder / "deploy.prototxt").write_text(prototxt.to_text(deploy))
    assert JOB in models.rescan()
    yield JOB
    models.delete_job(JOB)


@pytest.fixture
def picture(pictures: Path) -> str:
    return str(pictures / "class_1" / "3.png")


def texts(page: str) -> str:
    """A page's results, without what else stands on it."""
    return page[page.index("<main") : page.index("</main")]


def test_one_picture_has_scores(client: FlaskClient, scorer: str, picture: str) -> None:
    form = {"image_url": picture}
    answer: Any = client.post(f"{ROUTE}/classify_one.json?job_id={scorer}", data=form).json
    assert answer["unit"] == "score"
    scores = [score for _, score in answer["predictions"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) != pytest.approx(100, abs=1)
    page = texts(client.post(f"{ROUTE}/classify_one?job_id={scorer}", data=form).text)
    assert f"{scores[0]:.6g}" in page
    assert "%" not in page
    assert "Scores of the output <b>ip</b>" in page


def test_the_model_names_its_output(
    client: FlaskClient, scorer: str, trained: ImageClassificationModelJob
) -> None:
    found = {
        job_id: client.get(f"/models/{job_id}.json").json["output"]  # type: ignore[index]
        for job_id in (scorer, trained.id)
    }
    assert found == {
        scorer: {"name": "ip", "is_probability": False},
        trained.id: {"name": "prob", "is_probability": True},
    }


def test_many_pictures_have_scores(client: FlaskClient, scorer: str, picture: str) -> None:
    def post(route: str) -> Any:
        form = {"image_list": (io.BytesIO(f"{picture}\n".encode()), "list.txt"), "top_n": "1"}
        return client.post(f"{ROUTE}/{route}?job_id={scorer}", data=form)

    answer = post("classify_many.json").json
    one = {"image_url": picture}
    predictions: Any = client.post(f"{ROUTE}/classify_one.json?job_id={scorer}", data=one).json
    assert answer["unit"] == "score"
    assert answer["classifications"][picture] == predictions["predictions"]
    best = post("top_n.json").json
    assert best["unit"] == "score"
    label, score = predictions["predictions"][0]
    assert best["top_n"][label] == [[picture, score]]
    for route in ("classify_many", "top_n"):
        page = texts(post(route).text)
        assert f"{score:.6g}" in page
        assert "%</" not in page


@pytest.mark.slow
def test_a_job_that_classifies_writes_scores(
    client: FlaskClient, models: Scheduler, scorer: str, picture: str
) -> None:
    form = {"image_list": (io.BytesIO(f"{picture}\n".encode()), "list.txt"), "as_job": "y"}
    job: Any = client.post(f"{ROUTE}/classify_many.json?job_id={scorer}", data=form).json
    wait_for_status(models, job["id"], Status.DONE)
    one = {"image_url": picture}
    expected: Any = client.post(f"{ROUTE}/classify_one.json?job_id={scorer}", data=one).json
    address = f"{ROUTE}/evaluations/{job['id']}"
    answer: Any = client.get(f"{address}/classifications.json").json
    assert answer["unit"] == "score"
    assert answer["classifications"][picture] == expected["predictions"]
    written = (models.store.jobs_dir / job["id"] / "classifications.csv").read_text()
    rows = list(csv.reader(io.StringIO(written)))
    assert rows[0][3] == "score 1"
    assert float(rows[1][3]) == expected["predictions"][0][1]
    assert client.get(f"{address}/top_n.json").json["unit"] == "score"
    page = texts(client.get(address).text)
    assert f"{expected['predictions'][0][1]:.6g}" in page


def test_probabilities_stay_percentages(
    client: FlaskClient, trained: ImageClassificationModelJob, picture: str
) -> None:
    form = {"image_url": picture}
    page = texts(client.post(f"{ROUTE}/classify_one?job_id={trained.id}", data=form).text)
    assert "%</span>" in page
    assert "Scores of the output" not in page
