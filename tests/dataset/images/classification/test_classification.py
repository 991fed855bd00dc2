"""Making classification datasets through the form's routes, with real programs."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from digits.jobs.status import Status
from tests.conftest import wait_for_status
from tests.dataset.making import ROUTE, made, post, records
from tests.pictures import make_class_folders


def test_a_folder_becomes_databases_lists_and_a_mean(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    answer = post(client, folder_train=str(pictures), folder_pct_test="25")
    job = made(app, answer)
    assert job.error is None
    assert answer.json["directory"] == str(job.dir)
    assert job.labels() == ["class 0", "class 1"]
    counts = {split: len(records(job.database_path(split))) for split in job.splits()}
    assert counts == {"train": 8, "val": 4, "test": 4}
    assert sorted(path.name for path in job.dir.glob("mean.*")) == ["mean.binaryproto", "mean.jpg"]
    first = next(iter(records(job.database_path("train")).values()))
    assert first.encoded
    assert Image.open(io.BytesIO(first.data)).size == (12, 10)


def test_raw_grey_records_have_caffes_shape(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    answer = post(client, folder_train=str(pictures), encoding="none", resize_channels="1")
    database = records(made(app, answer).database_path("train"))
    key, datum = next(iter(database.items()))
    assert re.fullmatch(rb"\d{8}_[01]", key)
    assert (datum.channels, datum.height, datum.width) == (1, 10, 12)
    assert len(datum.data) == 120
    assert not datum.encoded


@pytest.mark.slow
def test_the_same_seed_makes_the_same_lists(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    lists = []
    for _ in range(2):
        job = made(app, post(client, folder_train=str(pictures), seed="7"))
        lists.append((job.dir / "train.txt").read_text())
    assert lists[0] == lists[1]


def test_a_seed_is_drawn_and_kept_when_none_is_given(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    job = made(app, post(client, folder_train=str(pictures)))
    assert isinstance(job.settings.seed, int)


@pytest.mark.slow
def test_separate_folders_for_validation_and_test(
    app: Flask, client: FlaskClient, pictures: Path, tmp_path: Path
) -> None:
    more = make_class_folders(tmp_path / "more", pictures=3)
    answer = post(
        client,
        folder_train=str(pictures),
        has_val_folder="y",
        folder_val=str(more),
        has_test_folder="y",
        folder_test=str(more),
    )
    job = made(app, answer)
    assert [task.name for task in job.source_tasks()] == [
        "Parse Folder (train)",
        "Parse Folder (val)",
        "Parse Folder (test)",
    ]
    assert [job.picture_count(split) for split in ("train", "val", "test")] == [16, 6, 6]


def test_a_broken_picture_is_named_and_skipped(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    folder = make_class_folders(tmp_path / "some")
    (folder / "class_0" / "0.png").write_bytes(b"this is no picture")
    job = made(app, post(client, folder_train=str(folder), folder_pct_val="0"))
    assert job.status is Status.DONE
    tasks = job.tasks
    assert [s.path for task in tasks for s in task.skipped] == [str(folder / "class_0/0.png")]  # type: ignore[attr-defined]
    assert "0.png" in (job.dir / "skipped.txt").read_text()


@pytest.mark.parametrize(
    ("classes", "pictures_each", "words"),
    [(1, 4, "at least 2"), (2, 0, "no picture")],
)
def test_a_folder_that_makes_no_dataset_is_an_error_on_the_job(
    app: Flask,
    client: FlaskClient,
    tmp_path: Path,
    classes: int,
    pictures_each: int,
    words: str,
) -> None:
    folder = make_class_folders(tmp_path / "few", classes=classes, pictures=pictures_each)
    job = made(app, post(client, folder_train=str(folder)))
    assert job.status is Status.ERROR
    assert words in (job.error or "")
    assert not job.database_path("train").exists()
    page = client.get(f"/datasets/{job.id}")
    assert words in page.text


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"dataset_name": "  "}, "dataset_name", "empty"),
        ({"dataset_name": "x" * 501}, "dataset_name", "500"),
        ({"folder_train": "/no/such/folder"}, "folder_train", "no folder"),
        ({"folder_train": "relative"}, "folder_train", "absolute"),
        ({"folder_train": "/etc/passwd"}, "folder_train", "not a folder"),
        ({"folder_train": "/a\0b"}, "folder_train", "NUL"),
        ({"folder_train": ""}, "folder_train", "Enter the path"),
        ({"resize_width": "0"}, "resize_width", "too small"),
        ({"resize_width": "-5"}, "resize_width", "too small"),
        ({"resize_height": "1000000000"}, "resize_height", "too large"),
        ({"resize_height": "ten"}, "resize_height", "whole number"),
        ({"resize_height": "9" * 10_000}, "resize_height", "whole number"),
        ({"resize_channels": "2"}, "resize_channels", "is not a choice"),
        ({"encoding": "tiff"}, "encoding", "is not a choice"),
        ({"folder_pct_val": "nan"}, "folder_pct_val", "finite"),
        ({"folder_pct_val": "60", "folder_pct_test": "40"}, "folder_pct_test", "nothing to train"),
        (
            {"folder_train_max_per_class": "1"},
            "folder_train_max_per_class",
            "less than the minimum",
        ),
        ({"has_val_folder": "y"}, "folder_val", "Enter the path"),
        ({"method": "textfile"}, "textfile_train_images", "Choose a text file"),
        ({"seed": "-1"}, "seed", "too small"),
    ],
)
def test_bad_values_are_named_at_their_field_and_nothing_is_made(
    app: Flask, client: FlaskClient, pictures: Path, fields: dict[str, str], field: str, words: str
) -> None:
    jobs_dir: Path = app.extensions["digits"].scheduler.store.jobs_dir
    before = set(jobs_dir.iterdir())
    answer = post(client, **{"folder_train": str(pictures), **fields})
    assert answer.status_code == 400
    assert words in " ".join(answer.json["errors"][field])
    assert set(jobs_dir.iterdir()) == before


def test_a_json_body_works_like_a_form(app: Flask, client: FlaskClient, pictures: Path) -> None:
    body = {"dataset_name": "By JSON", "folder_train": str(pictures), "resize_width": 12,
            "resize_height": 10, "has_val_folder": False}  # fmt: skip
    job = made(app, client.post(ROUTE, json=body))
    assert job.name == "By JSON"
    for bad in ([1, 2], "text", None):
        assert client.post(ROUTE, json=bad).status_code == 400


def test_the_browsers_form_needs_its_token_and_keeps_what_was_typed(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    page = client.get("/datasets/images/classification/new")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    without = post(client, "/datasets/images/classification", folder_train=str(pictures))
    assert without.status_code == 400
    bad = post(
        client,
        "/datasets/images/classification",
        folder_train=str(pictures),
        dataset_name="Kept name",
        resize_width="0",
        csrf_token=token[1],
    )
    assert bad.status_code == 400
    assert "Kept name" in bad.text
    assert str(pictures) in bad.text
    good = post(
        client,
        "/datasets/images/classification",
        folder_train=str(pictures),
        csrf_token=token[1],
    )
    assert good.status_code == 303
    job_id = good.headers["Location"].rsplit("/", 1)[1]
    wait_for_status(app.extensions["digits"].scheduler, job_id, Status.DONE)


def test_the_form_has_the_title_that_scripts_look_for(client: FlaskClient) -> None:
    page = client.get("/datasets/images/classification/new").text
    assert "<title>New Image Classification Dataset ·" in page
    assert "<h1>New Image Classification Dataset</h1>" in page


def test_the_page_and_the_summary_show_the_dataset(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    job = made(app, post(client, folder_train=str(pictures), dataset_name="Shown <b>set</b>"))
    page = client.get(f"/datasets/{job.id}")
    assert page.status_code == 200
    assert "Shown &lt;b&gt;set&lt;/b&gt;" in page.text
    summary = client.get(f"/datasets/summary?job_id={job.id}")
    assert in_words(summary) == (
        "Shown &lt;b&gt;set&lt;/b&gt; Done MOMENT Image Size 12x10 Image Type COLOR "
        "Create DB (train) 12 images Create DB (val) 4 images Encoding png"
    )
    assert in_words(client.get(f"/datasets/summary?words=plain&job_id={job.id}")) == (
        "Shown &lt;b&gt;set&lt;/b&gt; Done MOMENT Picture size 12 × 10 Picture type Color "
        "Training set 12 pictures Validation set 4 pictures Picture encoding PNG (lossless)"
    )
    assert re.search(rf'<h4[^>]*>\s*<a href="/datasets/{job.id}">', summary.text)


def in_words(answer: TestResponse) -> str:
    """What a fragment says, without its markup."""
    text = re.sub(r"<[^>]*>", " ", re.sub(r"<time.*?</time>", "MOMENT", answer.text))
    return " ".join(text.split())


def test_the_form_can_be_filled_in_from_a_job(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    job = made(app, post(client, folder_train=str(pictures), resize_mode="fill"))
    page = client.get(f"/datasets/images/classification/new?clone={job.id}")
    assert str(pictures) in page.text
    assert client.get("/datasets/images/classification/new?clone=nothing").status_code == 404


@pytest.mark.parametrize("mode", ["crop", "squash", "fill", "half_crop"])
def test_the_resize_example_is_a_picture_with_its_stored_size(
    client: FlaskClient, mode: str
) -> None:
    form = {"width": "64", "height": "48", "channels": "3", "resize_mode": mode, "encoding": "png"}
    answer = client.post("/datasets/images/resize-example", data=form)
    assert answer.status_code == 200
    assert "<img" in answer.text
    assert "data:image/png;base64," in answer.text


def test_a_resize_example_of_no_size_is_refused(client: FlaskClient) -> None:
    answer = client.post(
        "/datasets/images/resize-example",
        data={"width": "0"},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 400
    assert "width" in answer.json["errors"]


def test_counts_stand_under_the_keys_of_later_versions_too(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    job = made(app, post(client, folder_train=str(pictures), folder_pct_val="25", encoding="jpg"))
    found = client.get(f"/datasets/{job.id}.json").json
    assert found is not None
    [parse] = found["ParseFolderTasks"]
    counts = {split: job.picture_count(split) for split in ("train", "val", "test")}
    assert parse["name"] == "Parse Folder (train/val)"
    assert parse["label_count"] == len(job.labels())
    assert {split: parse[f"{split}_count"] for split in counts} == counts
    assert [task["entries"] for task in found["CreateDbTasks"]] == [counts["train"], counts["val"]]
    assert {
        "image_width": 12,
        "image_height": 10,
        "image_channels": 3,
        "backend": "lmdb",
        "encoding": "jpg",
        "compression": "none",
    }.items() <= found["CreateDbTasks"][0].items()
