"""A folder comes file by file, survives what may happen meanwhile, and becomes a dataset."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.dataset.images.classification.choosing import upload_views
from digits.errors import UploadInUse, UploadNotFound
from digits.jobs.status import Status
from digits.jobs.uploads import KEEP_S, Uploads
from tests.apps import running_app, scheduler_of
from tests.conftest import wait_until
from tests.dataset.images.classification.choosing.sending import (
    UPLOADS,
    address,
    begin,
    files_of,
    send,
    uploaded,
)
from tests.dataset.making import ROUTE, made, post
from tests.disks import Disk
from tests.launchers import RecordingLauncher
from tests.pictures import make_class_folders
from tests.security.people import add_people, bearer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(autouse=True)
def nothing_left(app: Flask) -> Iterator[None]:
    yield
    uploads = scheduler_of(app).store.uploads
    for upload in uploads.all():
        uploads.discard(upload)
    assert not any(uploads.folder.iterdir()) if uploads.folder.exists() else True


def test_what_has_arrived_becomes_a_dataset(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    upload_id = begin(client, name="My flowers", files=16, bytes=2000)
    files = files_of(pictures, "flowers/")
    for paths in (list(files)[:5], list(files)[5:]):
        answer = send(client, upload_id, {path: files[path] for path in paths})
    assert answer.json["files"] == 16
    assert answer.json["bytes"] == sum(map(len, files.values()))
    job = made(app, post(client, method="upload", upload=upload_id))
    assert job.status is Status.DONE, job.error
    assert job.labels() == ["class 0", "class 1"], "the folder around them does not count"
    assert job.picture_count("train") == 12
    assert job.settings.upload_name == "My flowers"
    assert client.get(address(upload_id)).status_code == 404, "it is the dataset's now"


def test_an_id_in_place_of_a_folder_is_enough_for_a_script(
    app: Flask, client: FlaskClient, pictures: Path
) -> None:
    fields = {"dataset_name": "Set", "upload": uploaded(client, pictures)}
    job = made(app, client.post(ROUTE, json={**fields, "resize_width": 8, "resize_height": 8}))
    assert job.status is Status.DONE, job.error
    copy = made(app, client.post(ROUTE, json={"clone": job.id}))
    assert copy.status is Status.DONE, copy.error
    assert copy.settings == job.settings
    page = client.get(f"/datasets/images/classification/new?clone={job.id}").text
    assert f"{job.dir}/pictures" in page


def test_folders_train_and_val_are_the_sets(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    for number, name in enumerate(("train", "val")):
        make_class_folders(tmp_path / name, pictures=4, size=8 + number)
    job = made(app, post(client, method="upload", upload=uploaded(client, tmp_path)))
    assert job.splits() == ["train", "val"]
    assert job.picture_count("train") == 8
    assert job.picture_count("val") == 8


# Going on -----------------------------------------------------------------------------------------


def test_it_is_known_what_has_arrived(client: FlaskClient) -> None:
    upload_id = begin(client, files=3, bytes=100, fingerprint="5eed")
    send(client, upload_id, {"a/1.png": PNG, "a/notes.txt": b"hello"})
    held = client.get(address(upload_id, "/files")).json
    assert held == {
        "files": {"a/1.png": len(PNG)},
        "left_out": {"a/notes.txt": "not a picture, by its name"},
    }
    (known,) = client.get(UPLOADS).json["uploads"]
    assert (known["name"], known["files"], known["files_to_come"]) == ("flowers", 1, 3)
    assert known["fingerprint"] == "5eed", "another folder may have the same name and size"


def test_a_restart_forgets_nothing(app: Flask, client: FlaskClient) -> None:
    upload_id = begin(client, fingerprint="5eed")
    send(client, upload_id, {"a/1.png": PNG, "b": b"hello"})
    folder = scheduler_of(app).store.uploads.folder
    (folder / upload_id / "parts" / "half").write_bytes(b"half a file")
    with (folder / upload_id / "left_out.jsonl").open("a") as file:
        file.write('["c", "cut o')
    again = Uploads(folder.parent).get(upload_id)
    assert again.arrived == {"a/1.png": len(PNG)}
    assert again.left_out == {"b": "not a picture, by its first bytes"}
    assert (again.record.name, again.record.fingerprint) == ("flowers", "5eed")
    assert not list((folder / upload_id / "parts").iterdir())


def test_an_upload_of_an_older_version_goes_on(jobs_dir: Path) -> None:
    jobs_dir.mkdir()
    upload = Uploads(jobs_dir).make("a", "")
    record = json.loads((upload.folder / "upload.json").read_text())
    del record["fingerprint"]
    (upload.folder / "upload.json").write_text(json.dumps(record))
    assert Uploads(jobs_dir).get(upload.id).record.name == "a"


def test_a_file_that_comes_twice_is_there_once(client: FlaskClient) -> None:
    upload_id = begin(client)
    send(client, upload_id, {"a/1.png": PNG, "a/2.png": PNG})
    answer = send(client, upload_id, {"a/1.png": PNG + b"longer"})
    assert (answer.json["files"], answer.json["bytes"]) == (2, 2 * len(PNG) + 6)


def test_two_tabs_send_the_same_folder_at_once(app: Flask, client: FlaskClient) -> None:
    upload_id = begin(client)
    files = {f"{label}/{number}.png": PNG for label in "ab" for number in range(40)}

    def tab() -> None:
        for path, content in files.items():
            assert send(app.test_client(), upload_id, {path: content}).status_code == 200

    tabs = [threading.Thread(target=tab) for _ in range(2)]
    for each in tabs:
        each.start()
    for each in tabs:
        each.join()
    assert client.get(address(upload_id)).json["files"] == 80
    assert client.get(address(upload_id)).json["bytes"] == 80 * len(PNG)


def test_nobody_goes_on_for_a_day(jobs_dir: Path) -> None:
    now = 1_000_000.0
    jobs_dir.mkdir()
    uploads = Uploads(jobs_dir, clock=lambda: now)
    old, recent = uploads.make("old", ""), uploads.make("recent", "")
    old.touch(now - KEEP_S)
    recent.touch(now - KEEP_S + 1)
    later = Uploads(jobs_dir, clock=lambda: now)
    later.load()
    later.discard_expired()
    assert [upload.record.name for upload in later.all()] == ["recent"]
    assert [path.name for path in later.folder.iterdir()] == [recent.id]


def test_a_clock_that_was_set_back_keeps_nothing_for_ever(jobs_dir: Path) -> None:
    jobs_dir.mkdir()
    uploads = Uploads(jobs_dir, clock=lambda: 1000.0)
    upload = uploads.make("a", "")
    upload.touch(1e9)
    uploads.discard_expired()
    assert upload.touched_s == 1000.0


def test_what_a_killed_server_was_removing_is_removed(jobs_dir: Path) -> None:
    (jobs_dir / ".uploads" / ".going-123" / "files").mkdir(parents=True)
    (jobs_dir / ".uploads" / "0123456789abcdef").mkdir()  # it was just being made
    uploads = Uploads(jobs_dir)
    uploads.load()
    assert uploads.all() == []
    assert not (jobs_dir / ".uploads" / ".going-123").exists()


def test_the_servers_keeper_reads_and_counts_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    earlier = Uploads(tmp_path / "jobs")
    (earlier.make("a", "").files / "1.png").write_bytes(bytes(3000))
    with running_app(tmp_path / "jobs") as app:
        wait_until(lambda: scheduler_of(app).store.uploads.size_bytes == 3000)
        assert "2.9 KB uploaded for a dataset" in app.test_client().get("/").text


# What cannot be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../../../etc/cron.d/x.png", "does not lead down"),
        ("/etc/x.png", "does not lead down"),
        ("a//b.png", "does not lead down"),
        ("a/./b.png", "does not lead down"),
        ("", "does not lead down"),
        ("a/b\0.png", "NUL"),
        ("a/b\n.png", "line break"),
        ("a/b\u2028.png", "line break"),
        ("a/\ud800.png", "not valid text"),
        (f"a/{'x' * 252}.png", "256 bytes is too long"),
        (f"a/{'ä' * 126}.png", "256 bytes is too long"),
        ("/".join(["x" * 200] * 20) + "/a.png", "too long"),
        ("a/" * 101 + "a.png", "101 folders deep"),
        ("a/" * 1400 + "a.png", "1400 folders deep"),
        (".git/a.png", "hidden"),
        ("a/._1.png", "hidden"),
        ("__MACOSX/a.png", "hidden"),
        ("a/page.html", "by its name"),
    ],
)
def test_names_that_cannot_be_are_named_with_the_reason(
    app: Flask, client: FlaskClient, path: str, words: str
) -> None:
    upload_id = begin(client)
    answer = send(client, upload_id, {path: PNG, "a/good.png": PNG})
    assert answer.status_code == 200, answer.text
    assert words in json.loads(answer.text)["left_out"][path]
    assert answer.json["files"] == 1
    folder = scheduler_of(app).store.uploads.folder
    assert [each.name for each in folder.rglob("*.png")] == ["good.png"]


@pytest.mark.parametrize(
    "names",
    [
        ["Cats/1.png", "cats/1.png"],
        ["caf\u00e9/1.png", "cafe\u0301/1.png"],
        ["a b/ 1 .png", "a'\"b/$(x).png", "\u202ea/<b>&.png", "\U0001f431/*?.png", "a\\b/c.png"],
        ["-rf/--.png", "%2e%2e/%00.png", "x" * 200 + "/" + "y" * 251 + ".png"],
    ],
)
def test_odd_names_that_can_be_are_kept_as_they_are(
    app: Flask, client: FlaskClient, names: list[str]
) -> None:
    upload_id = begin(client)
    answer = send(client, upload_id, dict.fromkeys(names, PNG))
    assert answer.json["left_out"] == {}
    assert sorted(client.get(address(upload_id, "/files")).json["files"]) == sorted(names)
    files = scheduler_of(app).store.uploads.get(upload_id).files
    assert sorted(files_of(files)) == sorted(names)


# A thousand parts of a form, which the client leaves open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_so_many_files_come_at_a_time_and_no_more(client: FlaskClient) -> None:
    upload_id = begin(client)
    files = {f"a/{number}.png": PNG for number in range(1000)}
    refused = send(client, upload_id, files)
    assert refused.status_code == 413
    assert "more than 1,000 fields" in refused.json["error"]["message"]
    del files["a/0.png"]
    assert send(client, upload_id, files).json["files"] == 999


def test_what_is_no_picture_is_left_out_whatever_it_is_called(client: FlaskClient) -> None:
    upload_id = begin(client)
    files = {"a/1.png": b"<html>", "a/2.jpg": b"", "a/noname": PNG, "a/text": b"hello"}
    left_out = send(client, upload_id, files).json["left_out"]
    assert left_out == {
        "a/1.png": "not a picture, by its first bytes",
        "a/2.jpg": "the file is empty",
        "a/text": "not a picture, by its first bytes",
    }


def test_a_file_where_a_folder_is_hurts_nothing_else(client: FlaskClient) -> None:
    upload_id = begin(client)
    send(client, upload_id, {"a/1.png": PNG, "b": PNG})
    answer = send(client, upload_id, {"a": PNG, "b/1.png": PNG, "a/2.png": PNG})
    assert answer.json["left_out"] == dict.fromkeys(
        ["a", "b/1.png"], "a file and a folder have the same name"
    )
    assert answer.json["files"] == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"paths": "["}, "paths"),
        ({"paths": "{}"}, "paths"),
        ({"paths": "[1]"}, "paths"),
        ({"paths": '["a", "b"]'}, "paths"),
        ({"paths": '["a", "a"]'}, "paths"),
        ({"path": '["a"]'}, "path"),
    ],
)
def test_a_request_that_is_none_is_refused(
    client: FlaskClient, body: dict[str, str], field: str
) -> None:
    upload_id = begin(client)
    count = 2 if body.get("paths") == '["a", "a"]' else 1
    sent = [(io.BytesIO(PNG), "x.png") for _ in range(count)]
    answer = client.post(address(upload_id, "/files"), data={**body, "file": sent})
    assert answer.status_code == 400
    assert field in answer.json["errors"]


@pytest.mark.parametrize(
    "fields",
    [
        {"files": -1},
        {"files": "x"},
        {"bytes": 10**30},
        {"files": 300_000},
        {"name": "a\nb"},
        {"fingerprint": "a\nb"},
    ],
)
def test_a_beginning_that_is_none_is_refused(
    client: FlaskClient, fields: dict[str, object]
) -> None:
    answer = client.post(UPLOADS, json={"name": "x", **fields})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("upload_id", ["0123456789abcdef", "..", "x", "%2e%2e%2fa"])
def test_an_upload_that_is_not_there_is_not_found(client: FlaskClient, upload_id: str) -> None:
    assert client.get(address(upload_id)).status_code == 404
    assert client.get(address(upload_id, "/files")).status_code == 404
    assert client.delete(address(upload_id)).status_code in (404, 405)
    answer = post(client, method="upload", upload=upload_id)
    assert "no such upload" in answer.json["errors"]["upload"][0]


def test_a_dataset_needs_two_folders_with_pictures(client: FlaskClient) -> None:
    upload_id = begin(client)
    answer = post(client, method="upload", upload=upload_id)
    assert "No picture of it has arrived" in answer.json["errors"]["upload"][0]
    send(client, upload_id, {"a/b/1.png": PNG, "a/b/2.png": PNG, "loose.png": PNG})
    answer = post(client, method="upload", upload=upload_id)
    assert "no two folders" in answer.json["errors"]["upload"][0]
    answer = post(client, method="upload")
    assert "Choose a folder" in answer.json["errors"]["upload"][0]
    assert client.get(address(upload_id)).json["files"] == 3, "it is still there"


def test_removed_is_removed(app: Flask, client: FlaskClient) -> None:
    upload_id = begin(client)
    send(client, upload_id, {"a/1.png": PNG})
    assert client.delete(address(upload_id)).json == {"removed": upload_id}
    assert client.get(UPLOADS).json == {"uploads": []}
    assert not any(scheduler_of(app).store.uploads.folder.iterdir())


def test_what_is_in_use_is_removed_afterwards(jobs_dir: Path) -> None:
    jobs_dir.mkdir()
    uploads = Uploads(jobs_dir)
    upload = uploads.make("a", "")
    with uploads.used(upload):
        uploads.discard(upload)
        assert upload.files.is_dir()
        assert uploads.all() == []
    assert not upload.folder.exists()


def test_of_one_upload_one_dataset_is_made_at_a_time(jobs_dir: Path) -> None:
    jobs_dir.mkdir()
    uploads = Uploads(jobs_dir)
    upload = uploads.make("a", "")

    def fail() -> None:
        for another in (uploads.taken, uploads.used):
            with pytest.raises(UploadInUse), another(upload):
                pass
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), uploads.taken(upload):
        fail()
    assert uploads.get(upload.id) is upload, "what could not be made leaves it as it was"
    with uploads.used(upload), pytest.raises(UploadInUse), uploads.taken(upload):
        pass
    with uploads.taken(upload):
        pass
    with pytest.raises(UploadNotFound):
        uploads.get(upload.id)


def test_one_forgets_only_so_many(client: FlaskClient) -> None:
    for _ in range(upload_views.MOST_UPLOADS):
        begin(client)
    answer = client.post(UPLOADS, json={"name": "one more"})
    assert answer.status_code == 403
    assert "Remove one first" in answer.json["error"]["message"]


# Limits -------------------------------------------------------------------------------------------


def test_a_folder_that_is_too_large_is_told_before_it_is_sent(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs", max_folder_upload_mb=1) as app:
        client = app.test_client()
        answer = client.post(UPLOADS, json={"name": "x", "bytes": 2_000_000})
        assert "setting max_folder_upload_mb" in answer.json["errors"]["bytes"][0]
        upload_id = begin(client)
        send(client, upload_id, {"a/1.png": PNG})
        answer = send(client, upload_id, {"a/2.png": PNG + bytes(1_100_000)})
        assert answer.status_code == 400
        assert client.get(address(upload_id)).json["files"] == 1


def test_a_full_disk_keeps_what_has_arrived(small_disk: Disk) -> None:
    with running_app(small_disk.path / "jobs") as app:
        client = app.test_client()
        answer = client.post(UPLOADS, json={"name": "x", "bytes": 100_000_000})
        assert answer.status_code == 507
        assert "left" in answer.json["error"]["message"]
        upload_id = begin(client)
        send(client, upload_id, {"a/1.png": PNG})
        small_disk.fill()
        answer = send(client, upload_id, {"a/2.png": PNG + bytes(50_000)})
        assert answer.status_code == 507
        small_disk.empty()
        assert client.get(address(upload_id)).json["files"] == 1
        assert send(client, upload_id, {"a/2.png": PNG}).json["files"] == 2
        folder = scheduler_of(app).store.uploads.folder / upload_id / "parts"
        assert os.listdir(folder) == []


def test_a_disk_that_fills_up_while_files_are_written(small_disk: Disk) -> None:
    with running_app(small_disk.path / "jobs") as app:
        client = app.test_client()
        upload_id = begin(client)
        files = {f"a/{number}.png": PNG + bytes(1_000_000) for number in range(9)}
        answer = send(client, upload_id, files)
        assert answer.status_code == 507
        held = client.get(address(upload_id, "/files")).json["files"]
        assert 3 <= len(held) < 9
        assert set(held.values()) == {len(PNG) + 1_000_000}


# Whose it is --------------------------------------------------------------------------------------


def test_an_upload_is_its_owners_and_the_admins(tmp_path: Path) -> None:
    tokens = add_people(tmp_path / "jobs")
    with running_app(tmp_path / "jobs", launcher=RecordingLauncher()) as app:
        clients = {name: app.test_client() for name in tokens}
        heads = {name: bearer(token) for name, token in tokens.items()}
        begun = clients["otto"].post(UPLOADS, json={"name": "x"}, headers=heads["otto"])
        upload_id = begun.json["id"]
        assert begun.json["owner"] == "otto"
        codes = {
            name: client.get(address(upload_id), headers=heads[name]).status_code
            for name, client in clients.items()
        }
        assert codes == {"ada": 200, "otto": 200, "olga": 404, "rudi": 403}
        assert app.test_client().get(address(upload_id)).status_code == 401
        seen = clients["olga"].get(UPLOADS, headers=heads["olga"]).json
        assert seen == {"uploads": []}
        fields = {"dataset_name": "Stolen", "upload": upload_id}
        answer = clients["olga"].post(ROUTE, json=fields, headers=heads["olga"])
        assert "no such upload" in answer.json["errors"]["upload"][0]
