"""Logins by cookie and by token: who gets in, who is kept out, and that it ends when it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner
from werkzeug.test import TestResponse

from digits.accounts.users import USERS_FILE, Role, Users
from digits.web.logins import KNOWN_BROWSER
from tests.apps import running_app
from tests.program_jobs import ProgramJob, program
from tests.security.people import (
    HTML,
    PASSWORD,
    add_people,
    bearer,
    csrf_token,
    log_in,
    logged_in,
)


def send_login(client: FlaskClient, name: str, way_on: str = "", **headers: str) -> TestResponse:
    """Log in with the right password."""
    page = client.get("/login", headers=HTML).text
    form = {"csrf_token": csrf_token(page), "name": name, "password": PASSWORD, "next": way_on}
    return client.post("/login", data=form, headers=headers)


# By cookie ----------------------------------------------------------------------------------------


def test_a_stranger_is_sent_to_the_page_to_log_in_and_back(app: Flask) -> None:
    client = app.test_client()
    sent = client.get("/?search=cats", headers=HTML)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/login?next=/?search%3Dcats")
    page = client.get(sent.headers["Location"], headers=HTML).text
    assert 'value="/?search=cats"' in page
    answer = send_login(client, "ada", "/?search=cats")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?search=cats")
    assert "ada" in client.get("/", headers=HTML).text


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: x=y",
        "evil.example",
        "/x\\..\\evil",
    ],
)
def test_a_login_leads_to_no_other_site(app: Flask, target: str) -> None:
    answer = send_login(app.test_client(), "ada", target)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong password"),
        ("nobody", PASSWORD),
        ("", ""),
        ("ada", ""),
        ("ada", PASSWORD + "\0"),
        ("ada" * 1000, PASSWORD),
        ("ada", "x" * 10_000),
        ("ADA", PASSWORD),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), PASSWORD),
    ],
)
def test_a_wrong_name_or_password_logs_nobody_in(app: Flask, name: str, password: str) -> None:
    client = app.test_client()
    assert log_in(client, name, password) == 401
    assert client.get("/index.json").status_code == 401


def test_the_login_form_needs_its_token(app: Flask) -> None:
    client = app.test_client()
    answer = client.post("/login", data={"name": "ada", "password": PASSWORD})
    assert answer.status_code == 400
    assert client.get("/index.json").status_code == 401


def test_another_sites_page_cannot_log_anybody_in_or_out(app: Flask) -> None:
    client = logged_in(app, "ada")
    token = csrf_token(client.get("/", headers=HTML).text)
    for address in ("/login", "/logout"):
        form = {"csrf_token": token, "name": "otto", "password": PASSWORD}
        answer = client.post(address, data=form, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
    assert client.post("/logout").status_code == 400
    assert client.get("/index.json").status_code == 200


def test_the_cookie_of_a_login_is_new_hidden_from_scripts_and_of_this_site(app: Flask) -> None:
    client = app.test_client()
    client.get("/login", headers=HTML)
    before = client.get_cookie("session")
    cookie = send_login(client, "ada").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    after = client.get_cookie("session")
    assert before is not None
    assert after is not None
    assert before.value != after.value


def test_behind_tls_the_cookie_is_sent_over_tls_alone(app: Flask) -> None:
    answer = app.test_client().get("/login", headers={**HTML, "X-Forwarded-Proto": "https"})
    assert "; Secure" in answer.headers["Set-Cookie"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_a_login_that_was_planted_in_the_browser_does_not_become_ones_own(app: Flask) -> None:
    mallory = logged_in(app, "otto")
    token = csrf_token(mallory.get("/", headers=HTML).text)
    planted = mallory.get_cookie("session")
    assert planted is not None
    victim = app.test_client()
    victim.set_cookie("session", planted.value)
    form = {"csrf_token": token, "name": "ada", "password": PASSWORD}
    assert victim.post("/login", data=form).status_code == 303
    mallory.set_cookie("session", planted.value)
    assert mallory.get("/index.json").status_code == 401


def test_a_copy_of_the_cookie_is_worth_nothing_after_the_logout(app: Flask) -> None:
    client = logged_in(app, "ada")
    copied = client.get_cookie("session")
    assert copied is not None
    token = csrf_token(client.get("/", headers=HTML).text)
    assert client.post("/logout", data={"csrf_token": token}).status_code == 303
    thief = app.test_client()
    thief.set_cookie("session", copied.value)
    assert thief.get("/index.json").status_code == 401


def test_a_script_logs_out_by_get(app: Flask) -> None:
    client = logged_in(app, "ada")
    assert client.head("/logout").status_code == 302
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert client.get("/logout", headers=headers).status_code == 302
        assert client.get("/index.json").status_code == 200
    answer = client.get("/logout")
    assert (answer.status_code, answer.location) == (302, "/")
    assert client.get("/index.json").status_code == 401


def test_a_restart_logs_nobody_out(jobs_dir: Path, tokens: dict[str, str]) -> None:
    with running_app(jobs_dir) as app:
        cookie = logged_in(app, "ada").get_cookie("session")
    assert cookie is not None
    with running_app(jobs_dir) as app:
        client = app.test_client()
        client.set_cookie("session", cookie.value)
        assert client.get("/index.json").status_code == 200


def test_another_password_or_no_account_any_more_ends_the_login(app: Flask, jobs_dir: Path) -> None:
    ada, otto, olga = (logged_in(app, name) for name in ("ada", "otto", "olga"))
    users = Users(jobs_dir)
    users.change("ada", password="another password")
    users.remove("otto")
    users.change("olga", role=Role.READER)
    assert ada.get("/index.json").status_code == 401
    assert otto.get("/index.json").status_code == 401
    assert olga.get("/index.json").status_code == 200
    assert olga.get("/models/images/classification/new").status_code == 403


def test_pages_of_those_who_are_logged_in_are_kept_by_nobody(app: Flask) -> None:
    answer = logged_in(app, "ada").get("/", headers=HTML)
    assert answer.headers["Cache-Control"] == "private, no-store"


# Guessing -----------------------------------------------------------------------------------------


def test_guessing_a_password_has_to_wait(app: Flask) -> None:
    client = app.test_client()
    assert [log_in(client, "ada", "wrong one") for _ in range(6)] == [401] * 5 + [429]
    answer = send_login(client, "ada")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    assert "Too many wrong passwords" in answer.text
    # Somebody else's name, and this name from elsewhere, are not kept waiting.
    assert log_in(client, "otto") == 303
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    assert send_login(app.test_client(), "ada", **elsewhere).status_code == 303


def test_who_remembers_the_password_does_not_have_to_wait_later(app: Flask) -> None:
    client = app.test_client()
    for _ in range(3):
        assert [log_in(client, "ada", "wrong one") for _ in range(3)] == [401] * 3
        assert log_in(app.test_client(), "ada") == 303


def test_strangers_cannot_lock_somebody_out_of_a_browser_that_is_known(app: Flask) -> None:
    """What used to happen: 100 wrong passwords from anywhere kept the user out for 15 minutes."""
    known = logged_in(app, "ada")
    assert known.post("/logout", data={"csrf_token": csrf_token(known.get("/").text)}).status_code
    limit = app.extensions["digits"].accounts.limit
    for number in range(200):
        limit.failed(f"203.0.113.{number}", "ada")
    limit.failed("127.0.0.1", "ada")
    assert log_in(app.test_client(), "ada") == 429
    assert log_in(known, "ada") == 303
    # It is known for this name alone, and guesses there count for themselves.
    for number in range(200):
        limit.failed(f"203.0.113.{number}", "otto")
    fresh = app.test_client()
    fresh.set_cookie(KNOWN_BROWSER, known.get_cookie(KNOWN_BROWSER).value)  # type: ignore[union-attr]
    assert log_in(fresh, "otto") == 429
    assert [log_in(fresh, "ada", "wrong one") for _ in range(6)] == [401] * 5 + [429]


@pytest.mark.parametrize("value", ["", "x", "W10.x", "bnVsbA.x", "\u00ff", "a" * 3000])
def test_a_browser_is_not_known_by_what_it_says(app: Flask, value: str) -> None:
    limit = app.extensions["digits"].accounts.limit
    for number in range(200):
        limit.failed(f"203.0.113.{number}", "ada")
    client = app.test_client()
    client.set_cookie(KNOWN_BROWSER, value)
    assert log_in(client, "ada") == 429


def test_a_known_browser_is_known_until_the_password_changes(app: Flask, jobs_dir: Path) -> None:
    known = logged_in(app, "ada")
    cookie = known.get_cookie(KNOWN_BROWSER)
    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    Users(jobs_dir).change("ada", password="another one 1234")
    limit = app.extensions["digits"].accounts.limit
    for number in range(200):
        limit.failed(f"203.0.113.{number}", "ada")
    assert log_in(known, "ada", "another one 1234") == 429


# Clocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [1, 3600, 400 * 24 * 3600])
def test_a_clock_that_steps_back_logs_nobody_out(app: Flask, step_s: int) -> None:
    """What used to happen: 401 for everybody, and forms "open for too long", until it caught up."""
    client = logged_in(app, "otto")
    token = csrf_token(client.get("/datasets/images/classification/new", headers=HTML).text)
    ahead = _signed_later(app, client.get_cookie("session").value, step_s)  # type: ignore[union-attr]
    client.set_cookie("session", ahead)
    assert client.get("/index.json").status_code == 200
    answer = client.post("/datasets/images/classification", data={"csrf_token": token})
    assert "open for too long" not in answer.text
    assert "The name is empty" in answer.text


def _signed_later(app: Flask, cookie: str, step_s: int) -> str:
    """The same cookie as it would have been signed when the clock was ahead."""
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]

    class Ahead(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() + step_s

    data = serializer.loads(cookie)
    serializer.signer = Ahead
    return str(serializer.dumps(data))


# By token -----------------------------------------------------------------------------------------


def test_a_script_needs_its_token_and_nothing_else(app: Flask, tokens: dict[str, str]) -> None:
    client = app.test_client()
    refused = client.get("/index.json")
    assert refused.status_code == 401
    assert refused.json is not None
    assert "Authorization: Bearer" in refused.json["error"]["message"]
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get("/index.json", headers=bearer(tokens["rudi"])).status_code == 200
    assert client.post("/jobs/rescan", headers=bearer(tokens["ada"])).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer ",
        "Bearer wrong",
        "Bearer digits_",
        "Basic YWRhOmNvcnJlY3Q=",
        "Bearer \u00ff\u00ff",
        "bearer",
        "Digest x",
        "Bearer " + "x" * 5000,
    ],
)
def test_a_wrong_token_is_no_login(app: Flask, header: str) -> None:
    answer = app.test_client().get("/index.json", headers={"Authorization": header})
    assert answer.status_code == 401


def test_a_wrong_token_does_not_fall_back_on_the_cookie(app: Flask) -> None:
    client = logged_in(app, "ada")
    assert client.get("/index.json", headers=bearer("digits_wrong")).status_code == 401


def test_a_token_ends_when_it_is_removed_and_is_nowhere_on_the_disk(
    app: Flask, jobs_dir: Path, tokens: dict[str, str]
) -> None:
    logged_in(app, "ada")
    kept = "".join(path.read_text() for path in jobs_dir.glob(".*.json"))
    assert "otto" in kept
    assert tokens["ada"] not in kept
    assert PASSWORD not in kept
    Users(jobs_dir).remove_token("ada", "test")
    answer = app.test_client().get("/index.json", headers=bearer(tokens["ada"]))
    assert answer.status_code == 401


# Owners -------------------------------------------------------------------------------------------


def make_job(app: Flask, owner: str) -> ProgramJob:
    job = app.extensions["digits"].scheduler.add_job(
        ProgramJob, f"of {owner or 'nobody'}", program("true"), owner=owner
    )
    assert isinstance(job, ProgramJob)
    return job


def test_a_job_belongs_to_whoever_made_it(
    app: Flask, jobs_dir: Path, tokens: dict[str, str]
) -> None:
    for category in ("a", "b"):
        (jobs_dir / "pictures" / category).mkdir(parents=True)
    form = {"dataset_name": "x", "folder_train": str(jobs_dir / "pictures")}
    client = app.test_client()
    made = client.post(
        "/datasets/images/classification.json", data=form, headers=bearer(tokens["otto"])
    ).json
    assert made is not None
    assert made["owner"] == "otto"
    assert json.loads((jobs_dir / made["id"] / "job.json").read_text())["owner"] == "otto"
    page = client.get(f"/datasets/{made['id']}", headers={**HTML, **bearer(tokens["rudi"])})
    assert "by otto" in page.text


@pytest.mark.parametrize(
    ("owner", "may"),
    [
        ("otto", {"ada", "otto"}),
        ("olga", {"ada", "olga"}),
        ("rudi", {"ada"}),  # was a user once
        ("", {"ada"}),
    ],
)
def test_a_job_is_changed_by_its_owner_and_by_admins(
    app: Flask, tokens: dict[str, str], owner: str, may: set[str]
) -> None:
    job = make_job(app, owner)
    client = app.test_client()
    for name, token in tokens.items():
        answer = client.put(f"/jobs/{job.id}", data={"job_name": name}, headers=bearer(token))
        assert answer.status_code == (200 if name in may else 403)
        shown = client.get("/", headers={**HTML, **bearer(token)}).text
        assert (f'data-delete="/jobs/{job.id}"' in shown) == (name in may)
    for prefix in ("jobs", "datasets", "models"):
        answer = client.delete(f"/{prefix}/{job.id}", headers=bearer(tokens["rudi"]))
        assert answer.status_code == 403
    assert client.delete(f"/jobs/{job.id}", headers=bearer(tokens["ada"])).status_code == 200


def test_a_reader_is_offered_nothing_that_changes_something(
    app: Flask, tokens: dict[str, str]
) -> None:
    page = app.test_client().get("/", headers={**HTML, **bearer(tokens["rudi"])}).text
    assert "Image classification dataset</a>" not in page
    assert "data-delete" not in page


# Off ----------------------------------------------------------------------------------------------


def test_without_users_nobody_is_asked_for_anything(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs") as app:
        client = app.test_client()
        assert client.post("/jobs/rescan").status_code == 200
        assert client.get("/login").status_code == 302
        assert client.get("/auth/check").status_code == 204
        # The empty home page has a form, whose token needs a cookie.
        home = client.get("/?search=nothing")
        assert home.status_code == 200
        assert not {"Cache-Control", "Set-Cookie"} & set(home.headers.keys())
        job = make_job(app, "")
        assert "owner" not in client.get("/index.json").text
        assert client.delete(f"/jobs/{job.id}").status_code == 200


def test_the_first_user_switches_logins_on_and_the_last_one_off(tmp_path: Path) -> None:
    jobs_dir = tmp_path / "jobs"
    with running_app(jobs_dir) as app:
        client = app.test_client()
        assert client.get("/index.json").status_code == 200
        add_people(jobs_dir, {"ada": Role.ADMIN})
        assert client.get("/index.json").status_code == 401
        Users(jobs_dir).remove("ada")
        assert client.get("/index.json").status_code == 200


def test_a_users_file_that_cannot_be_read_lets_nobody_in(
    app: Flask, jobs_dir: Path, tokens: dict[str, str]
) -> None:
    client = app.test_client()
    for content in ('{"format": 1, "users": [', "[]", '{"format": 99, "users": []}', "\xff"):
        (jobs_dir / USERS_FILE).write_text(content)
        answer = client.get("/index.json", headers=bearer(tokens["ada"]))
        assert answer.status_code == 401, content
        assert log_in(app.test_client(), "ada") in (401, 429)


def test_a_public_server_without_logins_says_so_on_every_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs_dir = tmp_path / "jobs"
    warning = "Anyone who can reach this server can use it"
    with running_app(jobs_dir, host="0.0.0.0") as app:
        client = app.test_client()
        assert "anybody who reaches it can use it" in caplog.text
        for page in ("/", "/models/images/classification/new", "/nothing"):
            assert warning in client.get(page, headers=HTML).text
        add_people(jobs_dir)
        assert warning not in client.get("/login", headers=HTML).text
    with running_app(tmp_path / "other") as app:
        assert warning not in app.test_client().get("/", headers=HTML).text


def test_the_files_of_logins_are_for_their_owner_alone(
    app: Flask, jobs_dir: Path, tokens: dict[str, str]
) -> None:
    logged_in(app, "ada")
    for name in (USERS_FILE, ".sessions.json", ".secret_key"):
        assert (jobs_dir / name).stat().st_mode & 0o777 == 0o600, name
        answer = app.test_client().get(f"/files/{name}", headers=bearer(tokens["ada"]))
        assert answer.status_code == 404
