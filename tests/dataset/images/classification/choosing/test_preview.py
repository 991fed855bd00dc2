"""What a folder would become is shown before a dataset is made of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from digits.inference.operations import ExamineFolder, FolderReport, Start
from digits.inference.work import examining
from digits.inference.work.state import State
from tests.apps import running_app, scheduler_of
from tests.dataset.images.classification.choosing.sending import address, uploaded
from tests.pictures import make_class_folders
from tests.security.people import add_people, bearer

FOLDERS = "/datasets/images/classification/folders.json"
PREVIEW = "/datasets/images/classification/folders/preview.json"


@pytest.fixture(scope="module", autouse=True)
def worker(app: Flask) -> None:
    """It is the module's, and so are its threads."""
    app.extensions["digits"].pool.ask(Start())


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def whole(client: FlaskClient, url: str, **query: Any) -> dict[str, Any]:
    """The report at its end, with all samples."""
    samples: list[dict[str, Any]] = []
    while True:
        answer = client.get(url, query_string={**query, "samples_from": len(samples)})
        assert answer.status_code == 200, answer.text
        report = answer.json
        assert report is not None
        samples += report["samples"]
        if report["finished"]:
            return {**report, "samples": samples}


def examined(folder: Path, **options: Any) -> FolderReport:
    """The same without a server, and all at once."""
    state = State()
    while True:
        report = examining.examine_folder(state, ExamineFolder(folder, **options))
        if report.finished:
            return report


def test_categories_counts_and_some_pictures_of_each(client: FlaskClient, pictures: Path) -> None:
    report = whole(client, PREVIEW, path=str(pictures))
    assert report["categories"] == [
        {"label": f"class {number}", "set": "", "pictures": 8} for number in range(2)
    ]
    assert (report["pictures"], report["looked_at"], report["broken_count"]) == (16, 16, 0)
    assert [sample["category"] for sample in report["samples"]] == [0] * 4 + [1] * 4
    assert all(sample["image"].startswith("data:image/png;base64,") for sample in report["samples"])
    assert (report["problem"], report["warnings"], report["is_cut"]) == ("", [], False)


def test_an_upload_is_looked_at_as_it_will_be_used(client: FlaskClient, pictures: Path) -> None:
    report = whole(client, address(uploaded(client, pictures, "around/"), "/preview"))
    assert [category["label"] for category in report["categories"]] == ["class 0", "class 1"]


def test_what_is_odd_is_told(tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "all", pictures=40)
    for number in range(2, 40):
        (folder / "class_1" / f"{number}.png").unlink()
    (folder / "class_0" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nhello")
    (folder / "class_0" / "notes.txt").write_text("hello")
    (folder / "class_0" / "dangling.png").symlink_to(tmp_path / "nowhere")
    (folder / "loose.png").write_bytes(b"x")
    (folder / "Class_1").mkdir()
    (folder / "empty").mkdir()
    shutil.copy(folder / "class_0" / "1.png", folder / "class_1" / "copy.png")
    report = examined(folder)
    assert [(odd.path, odd.reason) for odd in report.broken] == [
        ("class_0/broken.png", "not a picture of a known format (JPEG, PNG, BMP, GIF, TIFF, WEBP, "
        "PPM, AVIF, HEIC)")
    ]  # fmt: skip
    assert {odd.path: odd.reason for odd in report.left_out} == {
        "loose.png": "it lies in no category folder",
        "class_0/notes.txt": "not a picture",
        "class_0/dangling.png": "a symbolic link to nothing",
    }
    warnings = "\n".join(report.warnings)
    assert "'Class 1' and 'class 1' look alike" in warnings
    assert "very unequal size: 'class 0' has 41 pictures, 'class 1' has 3" in warnings
    assert "Without a picture: 'Class 1', 'empty'" in warnings
    assert "1 picture is there twice: class_1/copy.png is class_0/1.png" in warnings


def test_sets_are_seen_and_compared(tmp_path: Path) -> None:
    for name in ("train", "val"):
        make_class_folders(tmp_path / name, pictures=2)
    report = examined(tmp_path)
    assert [(each.set, each.label) for each in report.categories] == [
        ("train", "class 0"),
        ("train", "class 1"),
        ("val", "class 0"),
        ("val", "class 1"),
    ]
    assert "4 of the pictures for train are for val, too" in report.warnings[0]
    assert [each.label for each in examined(tmp_path, as_sets=False).categories] == ["train", "val"]


def test_what_can_be_no_dataset_is_said(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "only" / "1.png")
    assert "Only 'only' has pictures in sub-folders" in examined(tmp_path).problem
    (tmp_path / "a_b").mkdir()
    (tmp_path / "a b").mkdir()
    assert "would both be the category 'a b'" in examined(tmp_path).problem
    assert "There is no folder" in examined(tmp_path / "missing").problem


def test_what_the_dataset_will_leave_out_is_told_before(tmp_path: Path) -> None:
    make_class_folders(tmp_path / "train", pictures=2)
    make_class_folders(tmp_path / "val", classes=3, pictures=2)
    for place in ("train/one", "train", "others"):
        (tmp_path / place).mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / place / "x.png")
    report = examined(tmp_path)
    assert {odd.path: odd.reason for odd in report.left_out} == {
        "others/x.png": "it lies in no category folder of these sets",
        "train/x.png": "it lies in no category folder of these sets",
    }
    assert report.left_out_count == 2
    warnings = "\n".join(report.warnings)
    assert "With one picture alone: 'one'. A category of fewer than two is left out" in warnings
    assert "Left out of val, because train has no such category: 'class 2'." in warnings
    assert "fewer than two categories" not in warnings
    (tmp_path / "train" / "class_1" / "0.png").unlink()
    shutil.rmtree(tmp_path / "others")
    (last,) = [text for text in examined(tmp_path).warnings if "alone" in text]
    assert "'class 1', 'one'" in last
    assert last.endswith("That leaves fewer than two categories.")


def test_what_is_wrong_with_an_upload_is_said_without_its_place(tmp_path: Path) -> None:
    for label in ("a_b", "a b"):
        (tmp_path / "files" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "files" / label / "1.png")
    files = tmp_path / "files"
    clash = examined(files, unwrap=True).problem
    assert clash.startswith("a b and a_b would both be the category 'a b'")
    shutil.rmtree(files / "a_b")
    assert "in sub-folders of this folder" in examined(files, unwrap=True).problem


def test_a_huge_folder_is_counted_as_far_as_agreed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "MOST_PICTURES", 1000)
    monkeypatch.setattr(examining, "SLICE_S", 0.0)
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(1500):
            (tmp_path / label / f"{number}.png").touch()
    state, answers = State(), 0
    while True:
        report = examining.examine_folder(state, ExamineFolder(tmp_path))
        answers += 1
        if report.pictures or report.finished:
            break
        assert answers < 5000
    report = examined(tmp_path)
    assert (report.pictures, report.is_cut) == (1000, True)


def test_a_folder_of_other_files_is_searched_a_moment_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "SLICE_S", 0.0)
    (tmp_path / "code" / "deep").mkdir(parents=True)
    for number in range(1000):
        (tmp_path / "code" / "deep" / f"{number}.txt").touch()
    state, seen = State(), [0]
    while not (report := examining.examine_folder(state, ExamineFolder(tmp_path))).finished:
        seen.append(report.left_out_count)
    assert seen[-1] == 1000
    assert max(b - a for a, b in zip(seen, seen[1:], strict=False)) <= 200


def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "open")
    secret = make_class_folders(tmp_path / "secret")
    (folder / "stolen").symlink_to(secret / "class_0")
    report = examined(folder, roots=(str(folder),))
    assert [each.label for each in report.categories] == ["class 0", "class 1"]
    assert "leads out of the folders" in report.left_out[0].reason


# The folders of the server ------------------------------------------------------------------------


def test_a_folder_is_listed(client: FlaskClient, tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "all")
    (folder / ".hidden").mkdir()
    (folder / "1.png").touch()
    assert client.get(FOLDERS, query_string={"path": str(folder)}).json == {
        "path": str(folder),
        "parent": str(tmp_path),
        "folders": ["class_0", "class_1"],
        "pictures": 1,
        "is_cut": False,
    }


@pytest.mark.parametrize("name", [b"no\xfftext", b"line\nbreak"])
def test_a_folder_that_cannot_be_asked_for_is_not_named(
    client: FlaskClient, tmp_path: Path, name: bytes
) -> None:
    folder = make_class_folders(tmp_path / "all")
    os.mkdir(os.path.join(os.fsencode(folder), name))
    listed = client.get(FOLDERS, query_string={"path": str(folder)}).json
    assert (listed["folders"], listed["is_cut"]) == (["class_0", "class_1"], True)


@pytest.mark.parametrize("path", ["relative", "/no/such", "/etc/passwd", "/proc/1", "http://x/y"])
@pytest.mark.parametrize("url", [FOLDERS, PREVIEW])
def test_what_is_no_folder_to_be_read_is_refused(client: FlaskClient, url: str, path: str) -> None:
    answer = client.get(url, query_string={"path": path})
    assert answer.status_code == 400
    assert answer.json["errors"]["path"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("run", "a b"), ("samples_from", "-1"), ("samples_from", "x"), ("split_folders", "maybe")],
)
def test_a_query_that_is_none_is_refused(
    client: FlaskClient, pictures: Path, name: str, value: str
) -> None:
    answer = client.get(PREVIEW, query_string={"path": str(pictures), name: value})
    assert answer.status_code == 400
    assert list(answer.json["errors"]) == [name]


def test_of_roots_nothing_else_is_shown(tmp_path: Path) -> None:
    top = make_class_folders(tmp_path / "open" / "flowers")
    (top / "out").symlink_to("/etc")
    with running_app(tmp_path / "jobs", data_roots=(str(top.parent),)) as app:
        client = app.test_client()
        assert client.get(FOLDERS).json["folders"] == [str(top.parent)]
        listed = client.get(FOLDERS, query_string={"path": str(top)}).json
        assert (listed["folders"], listed["parent"]) == (["class_0", "class_1"], str(top.parent))
        assert client.get(FOLDERS, query_string={"path": str(top.parent)}).json["parent"] == ""
        for url in (FOLDERS, PREVIEW):
            assert client.get(url, query_string={"path": str(tmp_path)}).status_code == 400


def test_readers_and_strangers_look_at_no_folders(tmp_path: Path) -> None:
    tokens = add_people(tmp_path / "jobs")
    with running_app(tmp_path / "jobs") as app:
        client = app.test_client()
        for url in (FOLDERS, PREVIEW):
            assert client.get(url).status_code == 401
            assert client.get(url, headers=bearer(tokens["rudi"])).status_code == 403
        assert scheduler_of(app).store.uploads.all() == []


def test_very_many_entries_are_not_all_looked_at(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digits.sources.folder_list.MOST_ENTRIES", 50)
    for number in range(60):
        (tmp_path / f"{number}.png").touch()
    listed = client.get(FOLDERS, query_string={"path": str(tmp_path)}).json
    assert (listed["pictures"], listed["is_cut"]) == (50, True)
