"""Sockets obey logins: who may listen, and that it ends with the login."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_socketio import SocketIO, SocketIOTestClient

from digits.accounts.users import Users
from digits.web import socket_limits
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


# Handshakes ---------------------------------------------------------------------------------------

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


def test_a_stranger_takes_no_place_by_a_handshake(app: Flask, tokens: dict[str, str]) -> None:
    """What used to happen: 1,000 handshakes of strangers kept everybody else out."""
    client = app.test_client()
    sockets = app.extensions["socketio"].server.eio.sockets
    for headers in ({}, bearer("digits_wrong"), {"Cookie": "session=x"}):
        for transport in ("polling", "websocket"):
            address = HANDSHAKE.replace("polling", transport)
            answer = client.get(address, headers=headers)
            assert answer.status_code in (400, 401)  # no upgrade is asked for here
    assert client.get(HANDSHAKE).text == '"Log in first."'
    assert sockets == {}
    assert client.get(HANDSHAKE, headers=bearer(tokens["rudi"])).status_code == 200
    assert logged_in(app, "otto").get(HANDSHAKE).status_code == 200
    assert len(sockets) == 2


def test_without_users_handshakes_need_no_login(tmp_path: Path) -> None:
    with running_app(tmp_path / "other") as app:
        assert app.test_client().get(HANDSHAKE).status_code == 200


def test_a_network_of_ipv6_counts_as_one_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_limits, "MOST_PER_ADDRESS", 3)
    with running_app(tmp_path / "other") as app:
        client = app.test_client()

        def code(address: str) -> int:
            answer = client.get(HANDSHAKE, environ_overrides={"REMOTE_ADDR": address})
            return answer.status_code

        assert [code(f"2001:db8:0:1::{n}") for n in range(1, 6)] == [200, 200, 200, 401, 401]
        assert code("2001:db8:0:2::1") == 200


def test_a_connection_that_joins_nothing_leaves_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_limits, "JOIN_S", 0.0)
    monkeypatch.setattr(socket_limits, "TIDY_S", 0.0)
    with running_app(tmp_path / "other") as app:
        client = app.test_client()
        sockets = app.extensions["socketio"].server.eio.sockets
        first = json.loads(client.get(HANDSHAKE).text[1:])["sid"]
        client.post(f"{HANDSHAKE}&sid={first}", data="40/jobs,")
        for _ in range(4):
            last = json.loads(client.get(HANDSHAKE).text[1:])["sid"]
        assert set(sockets) == {first, last}
