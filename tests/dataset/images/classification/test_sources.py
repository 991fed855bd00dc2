"""Where pictures come from: text files, archives, and the folders that may be read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import EnvironBuilder

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.status import Status
from digits.web import uploads
from tests.apps import running_app
from tests.dataset.making import ROUTE, SIZE, made, post, records
from tests.pictures import make_class_folders


@pytest.fixture(scope="module")
def restricted(
    tmp_path_factory: pytest.TempPathFactory, pictures: Path
) -> Iterator[tuple[Flask, FlaskClient]]:
    """A server that may read nothing but the folder of pictures."""
    jobs_dir = tmp_path_factory.mktemp("restricted") / "jobs"
    with running_app(jobs_dir, data_roots=(str(pictures),)) as app:
        yield app, app.test_client()


def upload(text: str | bytes, name: str = "list.txt") -> tuple[io.BytesIO, str]:
    return io.BytesIO(text.encode() if isinstance(text, str) else text), name


def zipped(folder: Path, wrapper: str = "", **more: bytes) -> bytes:
    """A zip of a folder, inside a folder `wrapper`; `more` are files beside it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, f"{wrapper}{path.relative_to(folder)}")
        for name, data in more.items():
            archive.writestr(name, data)
    return file.getvalue()


# Text files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("local", [False, True])
def test_text_files_uploaded_or_on_the_server(
    app: Flask, client: FlaskClient, pictures: Path, tmp_path: Path, local: bool
) -> None:
    paths = sorted(path.relative_to(pictures) for path in pictures.rglob("*.png"))
    lines = "".join(f"{path} {int(path.parts[0] == 'class_1')}\n" for path in paths)
    (tmp_path / "list.txt").write_text(lines)
    (tmp_path / "labels.txt").write_text("zero\none\n")
    fields: dict[str, Any] = {"method": "textfile", "textfile_train_folder": str(pictures)}
    fields["textfile_shuffle"] = "False"
    if local:
        fields["textfile_use_local_files"] = "y"
        fields["textfile_local_train_images"] = str(tmp_path / "list.txt")
        fields["textfile_local_labels_file"] = str(tmp_path / "labels.txt")
    else:
        fields["textfile_train_images"] = (tmp_path / "list.txt").open("rb")
        fields["textfile_labels_file"] = (tmp_path / "labels.txt").open("rb")
    job = made(app, post(client, **fields))
    assert job.error is None
    assert [task.name for task in job.tasks] == ["Parse Text Files (train)", "Create DB (train)"]
    assert job.picture_count("train") == 16
    assert job.labels() == ["zero", "one"]
    assert (job.dir / "train.txt").read_text().startswith(f"{pictures}/class_0/0.png 0\n")
    # The order of the list is kept.
    labels = [datum.label for datum in records(job.database_path("train")).values()]
    assert labels == [0] * 8 + [1] * 8


def test_categories_of_one_name_are_told_apart_by_their_numbers(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    lines = "".join(f"{pictures}/class_{n % 2}/{n}.png {n % 3}\n" for n in range(8))
    answer = post(
        client,
        method="textfile",
        textfile_train_images=upload(lines),
        textfile_labels_file=upload("crane\nheron\ncrane\n"),
    )
    job = made(app, answer)
    assert job.error is None
    names = ["crane (0)", "heron", "crane (2)"]
    data = client.get(f"/datasets/{job.id}.json").json
    assert data["labels"] == names
    assert data["databases"]["train"]["categories"] == {names[0]: 3, names[1]: 3, names[2]: 2}
    page = client.get(f"/datasets/{job.id}").text
    assert "Categories of the same name are told apart by their numbers" in page
    # A labels file that another program wrote, such as that of an imported dataset.
    job.labels_path.write_text("crane\nheron\ncrane\n")
    assert job.labels() == names


@pytest.mark.parametrize(
    ("lines", "labels", "words"),
    [
        ("{0}/class_0/0.png 7\n", "zero\none\n", "train.txt:1: the label is 7"),
        ("{0}/class_0/0.png -1\n", "zero\none\n", "train.txt:1: the label -1 is negative"),
        ("{0}/class_0/0.png 0\n", "zero\n", "needs at least 2"),
        ("{0}/gone.png 0\n", "zero\none\n", "None of the pictures that train.txt names is"),
        ("relative.png 0\n", "zero\none\n", "is relative"),
        (b"\xff\xfe\n", "zero\none\n", "not valid UTF-8"),
    ],
)
def test_a_bad_list_fails_before_any_picture_is_read(
    app: Flask,
    client: FlaskClient,
    pictures: Path,
    lines: str | bytes,
    labels: str,
    words: str,
) -> None:
    text = lines.format(pictures) if isinstance(lines, str) else lines
    answer = post(
        client,
        method="textfile",
        textfile_train_images=upload(text),
        textfile_labels_file=upload(labels),
    )
    job = made(app, answer)
    assert job.tasks[0].status is Status.ERROR
    assert job.tasks[1].attempts == 0
    assert words in (job.error or "")


# Archives -----------------------------------------------------------------------------------------


def test_an_archive_becomes_a_dataset(app: Flask, client: FlaskClient, pictures: Path) -> None:
    archive = zipped(pictures, "my pictures/")
    answer = post(client, method="archive", archive_file=upload(archive, "C:\\pets & co.zip"))
    job = made(app, answer)
    assert job.error is None
    assert [task.name for task in job.tasks][:2] == [
        "Extract Archive",
        "Parse Folder (train/val)",
    ]
    assert job.labels() == ["class 0", "class 1"]
    assert {split: job.picture_count(split) for split in job.splits()} == {"train": 12, "val": 4}
    assert (job.dir / "pictures" / "class_0" / "0.png").is_file()
    assert not (job.dir / "archive").exists()
    assert "pets &amp; co.zip" in client.get(f"/datasets/{job.id}").text
    clone = client.get(f"/datasets/images/classification/new?clone={job.id}")
    assert str(job.dir / "pictures") in clone.text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no archive at all", "not a zip or tar"),
        (b"", "not a zip or tar"),
    ],
)
def test_what_is_no_archive_is_told_on_the_job(
    app: Flask, client: FlaskClient, data: bytes, words: str
) -> None:
    job = made(app, post(client, method="archive", archive_file=upload(data, "pets.tar.gz")))
    assert job.status is Status.ERROR
    assert "pets.tar.gz" in (job.error or "")
    assert words in (job.error or "")


def test_a_hostile_archive_is_refused_and_nothing_of_it_is_left(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    archive = zipped(pictures, **{"../../evil.png": b"\x89PNG\r\n"})
    job = made(app, post(client, method="archive", archive_file=upload(archive, "a.zip")))
    assert "leads out of the archive" in (job.error or "")
    assert not (job.dir / "pictures").exists()
    assert not list(job.dir.parent.parent.rglob("evil.png"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Choose an archive"),
        ({"archive_file": upload(b"Rar!", "pets.rar")}, ".zip"),
        ({"archive_file": upload(b"PK", "pets")}, ".zip"),
    ],
)
def test_an_archive_is_asked_for_by_name(
    client: FlaskClient, fields: dict[str, Any], words: str
) -> None:
    answer = post(client, method="archive", **fields)
    assert answer.status_code == 400
    assert words in " ".join(answer.json["errors"]["archive_file"])


@pytest.mark.slow
def test_a_large_archive_is_taken_too(app: Flask, client: FlaskClient, pictures: Path) -> None:
    """Enough beside the pictures that it goes to the disk of the jobs directory as it comes."""
    archive = zipped(pictures, **{"readme.txt": bytes(uploads.LARGE_BYTES)})
    values = {"dataset_name": "Large", **SIZE, "method": "archive"}
    builder = EnvironBuilder(
        ROUTE, method="POST", data={**values, "archive_file": upload(archive, "a.zip")}
    )
    environ = builder.get_environ()
    # The test's client keeps a body of this size in a file, and leaves that open.
    with environ["wsgi.input"]:
        job = made(app, client.open(environ))
    builder.close()
    assert job.error is None
    assert job.picture_count("train") == 12


# What may be read ---------------------------------------------------------------------------------


def test_links_out_of_the_data_roots_are_left_out(
    restricted: tuple[Flask, FlaskClient], pictures: Path, tmp_path: Path
) -> None:
    app, client = restricted
    secret = make_class_folders(tmp_path / "secret", classes=1)
    (pictures / "class_0" / "linked.png").symlink_to(secret / "class_0" / "0.png")
    (pictures / "class_1" / "linked").symlink_to(secret / "class_0")
    (pictures / "stolen").symlink_to(secret / "class_0")
    try:
        job = made(app, post(client, folder_train=str(pictures)))
    finally:
        for name in ("class_0/linked.png", "class_1/linked", "stolen"):
            (pictures / name).unlink()
    assert job.labels() == ["class 0", "class 1"]
    assert job.picture_count("train") == 12
    assert (job.dir / "skipped.txt").read_text().count("leads out of the folders") == 3


def test_lists_cannot_name_pictures_outside_of_the_data_roots(
    restricted: tuple[Flask, FlaskClient], pictures: Path, tmp_path: Path
) -> None:
    app, client = restricted
    outside = make_class_folders(tmp_path / "outside", classes=1) / "class_0" / "0.png"
    inside = pictures / "class_0" / "0.png"
    answer = post(
        client,
        method="textfile",
        textfile_train_images=upload(f"{inside} 0\n{pictures}/../../{outside} 1\n{outside} 1\n"),
        textfile_labels_file=upload("in\nout\n"),
    )
    job = made(app, answer)
    assert "picture 2" in (job.error or "")
    assert "outside of the folders that may be read" in (job.error or "")


@pytest.mark.slow
def test_an_uploaded_archive_is_read_also_where_little_may_be_read(
    restricted: tuple[Flask, FlaskClient], pictures: Path
) -> None:
    app, client = restricted
    archive = upload(zipped(pictures), "a.zip")
    job = made(app, post(client, method="archive", archive_file=archive))
    assert job.error is None
    assert job.picture_count("train") == 12


# Broken pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("allowed", "status"), [("10", Status.ERROR), ("20", Status.DONE)])
def test_more_broken_pictures_than_allowed_fail_the_dataset(
    app: Flask, client: FlaskClient, tmp_path: Path, allowed: str, status: Status
) -> None:
    folder = make_class_folders(tmp_path / "some", pictures=4)
    (folder / "class_0" / "0.png").write_bytes(b"this is no picture")
    answer = post(client, folder_train=str(folder), folder_pct_val="0", max_skipped_pct=allowed)
    job = made(app, answer)
    assert job.status is status
    if status is Status.ERROR:
        assert "1 of 8 pictures cannot be used" in (job.error or "")
        assert "0.png" in (job.error or "")
        # It led to a form that had chosen another dataset.
        assert "New model" not in client.get(f"/datasets/{job.id}").text
    else:
        assert "0.png" in job.skipped_path.read_text()
        page = client.get(f"/datasets/{job.id}").text
        assert "New model" in page
        assert "skipped.txt" in page
        assert client.get(f"/datasets/{job.id}.json").json["skipped"] == 1


# 16 bits -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twelve_bits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of 16 bits with values of 12, as cameras and microscopes give them."""
    folder = tmp_path_factory.mktemp("microscope")
    random = np.random.default_rng(1)
    for name in ("a", "b"):
        (folder / name).mkdir()
        for number in range(4):
            values = random.integers(40, 4096, (10, 12)).astype(np.uint16)
            values[0, :2] = 40, 4095
            Image.fromarray(values).save(folder / name / f"{number}.png")
    return folder


def test_16_bit_pictures_that_come_out_nearly_black_are_told(
    app: Flask, client: FlaskClient, twelve_bits: Path
) -> None:
    job = made(app, post(client, folder_train=str(twelve_bits), resize_channels="1"))
    data = client.get(f"/datasets/{job.id}.json").json
    assert len(data["warnings"]) == 2  # of train and of val
    assert "6 pictures of 16 bits: the values go from 40 to 4095" in data["warnings"][0]
    assert "value_range=seen" in data["warnings"][0]
    assert "about 16 of 256 gray levels are left" in client.get(f"/datasets/{job.id}").text
    assert data["value_range"] == [0, 65535]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["lmdb", "hdf5"])
def test_16_bit_pictures_may_be_scaled_by_the_range_of_the_training_pictures(
    app: Flask, client: FlaskClient, twelve_bits: Path, tmp_path: Path, backend: str
) -> None:
    val = tmp_path / "val"
    for name in ("a", "b"):
        (val / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((10, 12), 2067 if number else 65535, np.uint16)
            Image.fromarray(pixels).save(val / name / f"{number}.png")
    fields = {"has_val_folder": "y", "folder_val": str(val), "resize_channels": "1"}
    fields |= {"value_range": "seen", "encoding": "none", "backend": backend}
    job = made(app, post(client, folder_train=str(twelve_bits), **fields))
    assert job.error is None
    data = client.get(f"/datasets/{job.id}.json").json
    (warning,) = data["warnings"]
    assert data["value_range"] == [40, 4095]
    assert "2 pictures stand twice in val" in warning
    if backend == "lmdb":
        stored = [
            np.frombuffer(r.data, np.uint8) for r in records(job.database_path("train")).values()
        ]
        assert {(int(p.min()), int(p.max())) for p in stored} == {(0, 255)}
        stored = [
            np.frombuffer(r.data, np.uint8) for r in records(job.database_path("val")).values()
        ]
        assert {(int(p.min()), int(p.max())) for p in stored} == {(127, 127), (255, 255)}


@pytest.mark.slow
def test_a_range_without_16_bit_pictures_changes_nothing(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    job = made(app, post(client, folder_train=str(pictures), value_range="seen", seed="1"))
    other = made(app, post(client, folder_train=str(pictures), seed="1"))
    assert job.value_range == (0, 65535)
    assert [r.data for r in records(job.database_path("train")).values()] == [
        r.data for r in records(other.database_path("train")).values()
    ]


def test_a_range_that_is_none_is_refused(client: FlaskClient, pictures: Path) -> None:
    answer = post(client, folder_train=str(pictures), value_range="12 bits")
    assert answer.status_code == 400
    assert "value_range" in answer.json["errors"]


# train/CLASS and val/CLASS -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures as most datasets are published, with the split as folders."""
    folder = tmp_path_factory.mktemp("published")
    for name, count in (("train", 6), ("Validation", 3), ("test", 2)):
        make_class_folders(folder / name, pictures=count)
    return folder


def counts(job: ImageClassificationDatasetJob) -> dict[str, int]:
    return {split: job.picture_count(split) for split in job.splits()}


@pytest.mark.slow
def test_folders_of_a_split_are_used_as_the_split(
    app: Flask, client: FlaskClient, published: Path
) -> None:
    job = made(app, post(client, folder_train=str(published)))
    assert job.error is None
    assert job.labels() == ["class 0", "class 1"]
    assert counts(job) == {"train": 12, "val": 6, "test": 4}
    data = client.get(f"/datasets/{job.id}.json").json
    assert any("used as the split" in text for text in data["warnings"])
    assert "used as the split" in client.get(f"/datasets/{job.id}").text
    lists = {split: (job.dir / f"{split}.txt").read_text() for split in job.splits()}
    assert all(f"{published}/Validation/" in line for line in lists["val"].splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("names", [("train", "test"), ("train", "val")])
def test_an_archive_of_a_split_is_used_as_the_split(
    app: Flask, client: FlaskClient, tmp_path: Path, names: tuple[str, str]
) -> None:
    for name, count in zip(names, (8, 3), strict=True):
        make_class_folders(tmp_path / "set" / name, pictures=count)
    archive = zipped(tmp_path / "set", "a wrapper/")
    job = made(app, post(client, method="archive", archive_file=upload(archive, "set.zip")))
    assert job.error is None
    assert job.labels() == ["class 0", "class 1"]
    # Where there is no folder for validation, training gives its share.
    expected = {"train": 12, "val": 4, "test": 6} if "test" in names else {"train": 16, "val": 6}
    assert counts(job) == expected
    assert client.get(f"/datasets/{job.id}").status_code == 200


def test_they_are_categories_where_that_is_asked_for(
    app: Flask, client: FlaskClient, published: Path
) -> None:
    job = made(app, post(client, folder_train=str(published), split_folders="off"))
    assert job.labels() == ["Validation", "test", "train"]
    assert "used as the split" not in client.get(f"/datasets/{job.id}").text


@pytest.mark.slow
def test_a_folder_that_was_given_is_used_instead_of_the_one_in_the_folder(
    app: Flask, client: FlaskClient, published: Path, pictures: Path
) -> None:
    fields = {"has_val_folder": "y", "folder_val": str(pictures)}
    job = made(app, post(client, folder_train=str(published), **fields))
    assert job.error is None
    assert counts(job) == {"train": 12, "val": 16, "test": 4}
    assert "another folder was given" in client.get(f"/datasets/{job.id}").text
