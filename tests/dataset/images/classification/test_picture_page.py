"""The page of one picture of a dataset: its name, its category, its neighbours."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.sources.record_index import INDEX_FILE
from tests.dataset.making import made, post
from tests.pictures import make_class_folders


@pytest.fixture(scope="module")
def job(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> ImageClassificationDatasetJob:
    """15 pictures to train with, and 6 in validation, of three classes."""
    folder = make_class_folders(tmp_path_factory.mktemp("one") / "some", classes=3, pictures=7)
    answer = post(
        app.test_client(),
        folder_train=str(folder),
        folder_pct_val="25",
        dataset_name="One <i>by one</i>",
    )
    job = made(app, answer)
    assert app.test_client().get(f"/datasets/{job.id}/samples").status_code == 200
    return job


def picture(client: FlaskClient, job: ImageClassificationDatasetJob, rest: str) -> dict:
    answer = client.get(f"/datasets/{job.id}/pictures/{rest}")
    assert answer.status_code == 200, answer.text
    found: dict = answer.json
    return found


def test_every_picture_is_named_as_in_the_list_and_leads_to_the_next(
    client: FlaskClient, job: ImageClassificationDatasetJob
) -> None:
    paths, number = [], 0
    while number is not None:
        found = picture(client, job, f"val/{number}.json")
        assert found["number"] == number
        assert found["name"] == f"class {found['label']}"
        assert Path(found["path"]).parent.name == f"class_{found['label']}"
        assert client.get(found["picture"]).mimetype == "image/png"
        paths.append(found["path"])
        number = found["next"]
    listed = (job.dir / "val.txt").read_text().splitlines()
    assert sorted(paths) == sorted(line.rpartition(" ")[0] for line in listed)


def test_neighbours_are_of_one_category_when_that_is_asked_for(
    client: FlaskClient, job: ImageClassificationDatasetJob
) -> None:
    alike = client.get(f"/datasets/{job.id}/explore.json?label=2").json["pictures"]
    numbers = [each["number"] for each in alike]
    for before, number, after in zip([None, *numbers], numbers, [*numbers[1:], None], strict=False):
        found = picture(client, job, f"train/{number}.json?label=2")
        assert (found["previous"], found["next"]) == (before, after)


def test_the_page_shows_it_with_links_and_is_led_to_from_explore(
    client: FlaskClient, job: ImageClassificationDatasetJob
) -> None:
    explore = client.get(f"/datasets/{job.id}/explore?db=val&label=1").text
    address = html.unescape(re.findall(r'href="([^"]+/pictures/val/\d+[^"]*)"', explore)[0])
    page = client.get(address).text
    assert "One &lt;i&gt;by one&lt;/i&gt;" in page
    assert re.search(r'<h1 class="picture-title">\d\.png</h1>', page)
    assert 'rel="next"' in page
    assert "No model has learned from this dataset yet" in page
    samples = client.get(f"/datasets/{job.id}/samples?db=val").text
    assert f"/datasets/{job.id}/pictures/val/" in samples


def test_without_an_index_a_picture_has_a_number_for_a_name(
    client: FlaskClient, job: ImageClassificationDatasetJob
) -> None:
    index = job.database_path("train") / INDEX_FILE
    kept = index.rename(index.with_suffix(".kept"))
    try:
        assert picture(client, job, "train/2.json")["path"] is None
        page = client.get(f"/datasets/{job.id}/pictures/train/2").text
        assert '<h1 class="picture-title">Picture 2</h1>' in page
    finally:
        kept.rename(index)


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ("val/6", 400),
        ("val/" + "9" * 40, 400),
        ("val/-1", 404),
        ("val/x", 404),
        ("test/0", 400),
        ("..%2fval/0", 404),
        ("val/0?label=-1", 400),
        ("val/0?label=x", 400),
        ("val/0?label=99", 200),
        ("%00/0", 400),
    ],
)
def test_what_is_not_there_is_said(
    client: FlaskClient, job: ImageClassificationDatasetJob, rest: str, status: int
) -> None:
    assert client.get(f"/datasets/{job.id}/pictures/{rest}").status_code == status


def test_only_datasets_have_pictures(client: FlaskClient) -> None:
    assert client.get("/datasets/nothing/pictures/val/0").status_code == 404
