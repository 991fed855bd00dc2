"""What looks like text, a key or a file and is none: refused in words, never an error inside."""

from __future__ import annotations

import os
from pathlib import Path

import lmdb
import pytest
from flask import Flask

from digits.accounts.sessions import SESSIONS_FILE, Sessions
from digits.accounts.users import USERS_FILE, Users
from digits.errors import StorageError, TaskFailed
from digits.inference.errors import BadRequest
from digits.inference.operations import Database, Explore
from digits.inference.work.databases import read_run
from digits.inference.work.exploring import explore
from digits.inference.work.state import State
from digits.jobs.folder_lock import LOCK_FILE
from digits.jobs.store import JobStore
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.web.markdown import notes_html
from digits.webapp import kept_secret_key
from tests.apps import running_app, scheduler_of
from tests.security.people import add_people, bearer
from tests.security.test_job_files import real_jobs

# Escapes of JSON, which its parser turns into a string that has no UTF-8.
HALVES = ["\\ud800", "a\\udfffb", "\\udce9\\ud83d"]


@pytest.fixture
def app(jobs_dir: Path) -> Flask:  # type: ignore[misc]
    with running_app(jobs_dir) as app:
        yield app


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_half_a_character_in_a_body_is_refused(app: Flask, half: str, accept: str) -> None:
    client = app.test_client()
    names = ["dataset_name", "model_name", "folder_train", "job_id", "image_url", "ids", "method",
             "custom_network", "image_folder", "dataset", "snapshot_epoch"]  # fmt: skip
    addresses = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and not rule.arguments and "sample" not in rule.rule
        and rule.endpoint not in ("home.rescan", "logins.log_in", "logins.log_out")
    ]  # fmt: skip
    assert len(addresses) > 10
    for address in addresses:
        for body in (
            "{" + ", ".join(f'"{name}": "{half}"' for name in names) + "}",
            f'{{"{half}": "x"}}',
            f'{{"ids": ["a", "{half}"]}}',
        ):
            answer = client.post(
                address, data=body, content_type="application/json", headers={"Accept": accept}
            )
            assert answer.status_code in (400, 404, 200), (address, body)
            assert answer.status_code != 200 or address.startswith("/jobs/preview")


def test_the_refusal_names_the_field(app: Flask) -> None:
    answer = app.test_client().post(
        "/datasets/images/classification.json",
        data='{"dataset_name": "\\ud800"}',
        content_type="application/json",
    )
    assert answer.status_code == 400
    assert "half a character" in answer.json["errors"]["dataset_name"][0]  # type: ignore[index]


@pytest.mark.parametrize(
    "address",
    ["/?search=%00", "/autocomplete/path?query=/%00", "/login?next=%00", "/?x=1&%00=2"],
)
def test_parameters_with_a_nul_are_no_error(app: Flask, address: str) -> None:
    assert app.test_client().get(address).status_code in (200, 302, 400)


@pytest.mark.parametrize(
    "address", ["/%00", "/jobs/%00", "/files/a%00b", "/static/%00", "/help/%00", "/clone/%00"]
)
def test_an_address_with_a_nul_does_not_exist(app: Flask, address: str) -> None:
    assert app.test_client().get(address).status_code == 404


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/\0", "http://\0/", "http://127.0.0.1:99999/", "http:///x",
            "http://127.0.0.1/a\nb", "http://[::1/"]
)  # fmt: skip
def test_an_address_of_pictures_that_is_none_is_refused_at_once(app: Flask, url: str) -> None:
    """What used to happen: the job was made, and its program could not be started."""
    for body in ({"json": {"dataset_name": "x", "folder_train": url}},
                 {"data": {"dataset_name": "x", "folder_train": url}}):  # fmt: skip
        answer = app.test_client().post("/datasets/images/classification.json", **body)  # type: ignore[arg-type]
        assert answer.status_code == 400
        assert "folder_train" in answer.json["errors"]  # type: ignore[index]


@pytest.mark.parametrize("name", ["\0", "a\x07", "a\u2028b", "\r"])
def test_a_job_is_not_renamed_to_what_cannot_be_shown(app: Flask, name: str) -> None:
    answer = app.test_client().put("/jobs/nothing", data={"job_name": f"x{name}y"})
    assert answer.status_code == 400


# Files of the server ------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b" \n", b"short", b"\xff" * 64, b"\0" * 64, b"x" * 5000])
def test_a_secret_key_that_is_none_is_replaced(jobs_dir: Path, content: bytes) -> None:
    """What used to happen: with an empty key every page was an error."""
    jobs_dir.mkdir()
    (jobs_dir / ".secret_key").write_bytes(content)
    key = kept_secret_key(jobs_dir)
    assert len(key) == 64
    assert kept_secret_key(jobs_dir) == key
    assert (jobs_dir / ".secret_key").stat().st_mode & 0o777 == 0o600


def test_a_secret_key_that_is_a_folder_keeps_no_server_from_starting(jobs_dir: Path) -> None:
    (jobs_dir / ".secret_key").mkdir(parents=True)
    with running_app(jobs_dir) as app:
        assert app.test_client().get("/").status_code == 200


ODD_JSON = ["", "[]", "[" * 200_000, '{"a": ' * 200_000, "null", "7", '{"a": 1}', "\xff",
            '{"a": {"name": "ada", "stamp": "", "until_s": Infinity}}',
            '{"a": {"name": "ada", "stamp": "", "until_s": 1' + "0" * 400 + "}}",
            '{"a": {"name": [], "stamp": {}, "until_s": []}}', '{"format": [], "users": 3}',
            '{"format": 1, "users": [{"name": "a", "role": "admin", "password": "", "tokens": 1}]}',
            '{"format": 1, "users": [[]]}']  # fmt: skip


@pytest.mark.parametrize("content", ODD_JSON, ids=lambda text: text[:40])
def test_odd_files_of_logins_let_nobody_in_and_keep_no_server_from_starting(
    jobs_dir: Path, content: str
) -> None:
    tokens = add_people(jobs_dir)
    (jobs_dir / SESSIONS_FILE).write_text(content)
    assert Sessions(jobs_dir)._sessions == {}
    with running_app(jobs_dir) as app:
        assert app.test_client().get("/index.json").status_code == 401
        assert app.test_client().get("/", headers=bearer(tokens["ada"])).status_code == 200
    (jobs_dir / USERS_FILE).write_text(content)
    assert Users(jobs_dir).exist
    with running_app(jobs_dir) as app:
        assert app.test_client().get("/index.json").status_code == 401


def test_a_rescan_without_a_jobs_directory_says_so(app: Flask, jobs_dir: Path) -> None:
    away = jobs_dir.rename(jobs_dir.with_name("away"))
    try:
        answer = app.test_client().post("/jobs/rescan", headers={"Accept": "application/json"})
        assert answer.status_code == 507
        assert "has gone away" in answer.text
        for page in ("/", "/healthz", "/index.json", "/datasets/images/classification/new"):
            assert app.test_client().get(page).status_code in (200, 503)
    finally:
        away.rename(jobs_dir)


def test_a_lock_that_somebody_removed_lets_no_second_server_in(app: Flask, jobs_dir: Path) -> None:
    (jobs_dir / LOCK_FILE).unlink()
    other = JobStore(jobs_dir, ())
    with pytest.raises(StorageError, match="in use by another DIGITS server, whose file .lock"):
        other.open()
    assert scheduler_of(app).is_alive


def test_a_training_on_a_database_that_is_cut_off_says_which(jobs_dir: Path) -> None:
    """What used to happen: the training was ended by SIGBUS, without a word of the database."""
    dataset, model, _ = real_jobs(jobs_dir)
    folder = jobs_dir / dataset["id"] / "train_db"
    with lmdb.open(str(folder), map_size=1 << 24) as env, env.begin(write=True) as writing:
        writing.put(b"key", bytes(50_000))
    with running_app(jobs_dir) as app:
        job = scheduler_of(app).job(model["id"])
        assert isinstance(job, ImageClassificationModelJob)
        job.require_input()
        os.truncate(folder / "data.mdb", 20_000)
        with pytest.raises(TaskFailed, match="The database train_db of Digits .* is cut off"):
            job.require_input()
        with pytest.raises(TaskFailed, match="is cut off"):
            job.train_task.prepare()


def test_exploring_a_database_that_is_cut_off_says_so(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), map_size=1 << 24) as env, env.begin(write=True) as writing:
        writing.put(b"key", bytes(50_000))
    os.truncate(tmp_path / "data.mdb", 20_000)
    database = Database(tmp_path, "lmdb")
    with pytest.raises(BadRequest, match="is cut off"):
        explore(State(), Explore(database, None, 0, 9))
    with pytest.raises(BadRequest, match="is cut off"):
        read_run(database, "", 3)


# Notes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "|a" * 3000 + "\n" + "|-" * 3000 + "\n" + "|\n" * 3900,
        "|a" * 100 + "\n" + "|-" * 100 + "\n" + "|\n" * 9_800,
        "> |a" * 3000 + "\n" + "|-" * 3000,
    ],
    ids=["wide", "long", "quoted"],
)
def test_a_table_of_very_many_cells_is_shown_as_text(text: str) -> None:
    """What used to happen: 20,000 characters of notes took 12 s, and made 10 MB of cells."""
    html = notes_html(text)
    assert "<table" not in html
    assert len(html) < 10 * len(text)


def test_a_usual_table_is_a_table() -> None:
    rows = "\n".join("| 1 | 2 | 3 |" for _ in range(200))
    assert notes_html(f"| a | b | c |\n|---|---|---|\n{rows}").count("<tr>") == 201
