"""The pages that show what is in a dataset's databases, over HTTP with a real worker."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from digits.dataset.images.classification.explore_views import PAGE_SIZE
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from tests.dataset.making import made, post
from tests.pictures import make_class_folders

PICTURES_EACH = 45  # of three classes: more than two pages


@pytest.fixture(scope="module", params=["lmdb", "hdf5"])
def job(
    request: pytest.FixtureRequest, app: Flask, tmp_path_factory: pytest.TempPathFactory
) -> ImageClassificationDatasetJob:
    folder = make_class_folders(
        tmp_path_factory.mktemp("explored") / "some", classes=3, pictures=PICTURES_EACH
    )
    answer = post(
        app.test_client(),
        folder_train=str(folder),
        folder_pct_val="20",
        backend=request.param,
        dataset_name="Explored <i>set</i>",
    )
    job = made(app, answer)
    # Its worker is there before a test looks which threads there are.
    assert app.test_client().get(f"/datasets/{job.id}/samples").status_code == 200
    return job


def test_pages_of_pictures_filtered_by_label(
    client: FlaskClient, job: ImageClassificationDatasetJob
) -> None:
    route = f"/datasets/{job.id}/explore.json"
    first = client.get(route).json
    assert (first["db"], first["page"], first["pages"], first["found"]) == ("train", 1, 2, 108)
    assert [entry["pictures"] for entry in first["labels"]] == [36, 36, 36]
    assert len(first["pictures"]) == PAGE_SIZE
    last = client.get(f"{route}?page=99").json
    assert last["page"] == 2
    numbers = [entry["number"] for page in (first, last) for entry in page["pictures"]]
    assert numbers == list(range(108))
    val = client.get(f"{route}?db=val&label=1").json
    assert val["found"] == 9
    assert {entry["name"] for entry in val["pictures"]} == {"class 1"}
    kind, data = val["pictures"][0]["image"].split(",")
    assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (12, 10)
    whole = client.get(f"/datasets/{job.id}/explore/picture?db=val&number=3")
    assert whole.mimetype.startswith("image/")
    assert Image.open(io.BytesIO(whole.data)).size == (12, 10)


def test_the_pages_for_browsers(client: FlaskClient, job: ImageClassificationDatasetJob) -> None:
    page = client.get(f"/datasets/{job.id}/explore?label=2&db=train&page=")
    assert page.text.count('<img src="data:image/') == 36
    assert "class 2" in page.text
    assert "Explored &lt;i&gt;set&lt;/i&gt;" in page.text
    samples = client.get(f"/datasets/{job.id}/samples")
    assert samples.text.count("<img") == 3 * 8
    assert f"/datasets/{job.id}/samples" in client.get(f"/datasets/{job.id}").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("explore.json?db=test", "There is no database 'test'; there are: train, val"),
        ("explore.json?db=../val", "There is no database"),
        ("explore.json?label=many", "'many' is not a whole number"),
        ("explore.json?label=-1", "There is no category -1"),
        ("explore.json?page=x", "not a whole number"),
    ],
)
def test_what_is_not_there_is_said(
    client: FlaskClient, job: ImageClassificationDatasetJob, query: str, words: str
) -> None:
    answer = client.get(f"/datasets/{job.id}/{query}")
    assert answer.status_code == 400
    assert words in answer.text.encode().decode("unicode_escape")


def test_numbers_beyond_all_bounds_are_no_errors_inside(
    client: FlaskClient, job: ImageClassificationDatasetJob
) -> None:
    route = f"/datasets/{job.id}/explore"
    assert client.get(f"{route}.json?page={'9' * 50}").json["page"] == 2
    assert client.get(f"{route}.json?page=-5").json["page"] == 1
    assert client.get(f"{route}.json?label={'9' * 50}").json["found"] == 0
    assert client.get(f"{route}/picture").status_code == 400
    assert client.get(f"{route}/picture?number=108").status_code == 400
    assert client.get(f"{route}/picture?number={'9' * 50}").status_code == 400
    assert client.get("/datasets/nothing/explore").status_code == 404


def test_a_dataset_without_databases_cannot_be_explored(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    empty = make_class_folders(tmp_path / "few", classes=1)
    job = made(app, post(client, folder_train=str(empty)))
    for path in ("explore", "explore.json", "samples", "explore/picture?number=0"):
        answer = client.get(f"/datasets/{job.id}/{path}")
        assert answer.status_code == 403
        assert "not complete" in answer.text


def test_a_page_can_be_chosen_of_each_of_two_categories_of_one_name(
    client: FlaskClient, job: ImageClassificationDatasetJob
) -> None:
    labels = job.labels_path.read_text()
    job.labels_path.write_text("crane\nheron\ncrane\n")
    try:
        found = client.get(f"/datasets/{job.id}/explore.json?label=2").json
        assert [entry["name"] for entry in found["labels"]] == ["crane (0)", "heron", "crane (2)"]
        assert {entry["name"] for entry in found["pictures"]} == {"crane (2)"}
    finally:
        job.labels_path.write_text(labels)


def test_the_pictures_are_found_where_later_versions_have_them(
    client: FlaskClient, job: ImageClassificationDatasetJob
) -> None:
    route = "/datasets/images/classification/explore"
    first = client.get(f"{route}.json?job_id={job.id}&db=train_db&size=3").json
    assert first is not None
    assert (first["page"], first["page_size"], len(first["pictures"])) == (0, 3, 3)
    second = client.get(f"{route}.json?job_id={job.id}&db=train&size=3&page=1").json
    assert second is not None
    assert second["page"] == 1
    shown = [picture["number"] for page in (first, second) for picture in page["pictures"]]
    assert shown == [0, 1, 2, 3, 4, 5]
    page = client.get(
        f"{route}?job_id={job.id}&db=train_db&size=3", headers={"Accept": "text/html"}
    )
    assert page.status_code == 200
    assert f"/datasets/{job.id}/explore?db=train&amp;size=3&amp;page=2" in page.text
    assert client.get(f"{route}?job_id=gone").status_code == 404
    assert client.get(route).status_code == 404
    for bad in ("size=0", "size=501", "size=x", "page=x", "db=none", "label=-1"):
        assert client.get(f"{route}?job_id={job.id}&{bad}").status_code == 400, bad
