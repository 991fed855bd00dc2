"""Sockets obey logins: who may listen, and that it ends with the login."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_socketio import SocketIO, SocketIOTestClient

from digits.accounts.users import Users
from tests.apps import running_app
from tests.conftest import wait_until
from tests.program_jobs import ProgramJob, program
from tests.security.people import HTML, bearer, csrf_token, logged_in

NAMESPACES = ("/home", "/jobs")


def socket_of(
    app: Flask, namespace: str, browser: FlaskClient | None = None, token: str = ""
) -> SocketIOTestClient:
    server: SocketIO = app.extensions["socketio"]
    return server.test_client(
        app,
        namespace=namespace,
        flask_test_client=browser,
        headers=bearer(token) if token else None,
    )


def rename(app: Flask, job: ProgramJob) -> None:
    """Something that everybody who listens is told."""
    app.extensions["digits"].scheduler.rename_job(job.id, "another name")


@pytest.fixture
def job(app: Flask) -> ProgramJob:
    job = app.extensions["digits"].scheduler.add_job(ProgramJob, "one", program("true"))
    assert isinstance(job, ProgramJob)
    return job


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_stranger_does_not_get_in(app: Flask, namespace: str) -> None:
    assert not socket_of(app, namespace).is_connected(namespace)
    assert not socket_of(app, namespace, token="digits_wrong").is_connected(namespace)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_who_is_logged_in_gets_in(app: Flask, tokens: dict[str, str], namespace: str) -> None:
    browser = logged_in(app, "rudi")
    assert socket_of(app, namespace, browser).is_connected(namespace)
    assert socket_of(app, namespace, token=tokens["rudi"]).is_connected(namespace)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_without_users_everybody_gets_in(tmp_path: Path, namespace: str) -> None:
    with running_app(tmp_path / "other") as app:
        assert socket_of(app, namespace).is_connected(namespace)


def test_a_page_elsewhere_that_has_its_name_point_here_does_not_get_in(tmp_path: Path) -> None:
    with running_app(tmp_path / "other") as app:
        server: SocketIO = app.extensions["socketio"]
        for host, gets_in in (("evil.example:5000", False), ("localhost:5000", True)):
            socket = server.test_client(app, namespace="/home", headers={"Host": host})
            assert socket.is_connected("/home") is gets_in


def test_a_logout_closes_the_sockets_of_the_login_and_no_others(
    app: Flask, job: ProgramJob
) -> None:
    rudi, otto = logged_in(app, "rudi"), logged_in(app, "otto")
    socket, other = socket_of(app, "/home", rudi), socket_of(app, "/home", otto)
    token = csrf_token(rudi.get("/", headers=HTML).text)
    rudi.post("/logout", data={"csrf_token": token})
    assert not socket.is_connected("/home")
    assert other.is_connected("/home")
    other.get_received("/home")
    rename(app, job)
    told = [message for message in other.get_received("/home") if message["name"] == "job update"]
    assert told


def test_a_user_who_is_removed_hears_nothing_more(
    app: Flask, jobs_dir: Path, job: ProgramJob, tokens: dict[str, str]
) -> None:
    sockets = [
        socket_of(app, "/home", logged_in(app, "rudi")),
        socket_of(app, "/home", token=tokens["rudi"]),
    ]
    Users(jobs_dir).remove("rudi")

    def are_closed() -> bool:
        # Not at once, but at the first message after a moment.
        rename(app, job)
        return not any(socket.is_connected("/home") for socket in sockets)

    wait_until(are_closed)
