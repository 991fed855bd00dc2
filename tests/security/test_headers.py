"""What answers tell browsers, and whose word about a request is believed."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from digits.config import load_config
from digits.errors import ConfigError
from digits.jobs.runner import without_passwords
from digits.serving.production import production_config
from digits.web.headers import (
    CONTENT_SECURITY_POLICY,
    PICTURE_BYTES,
    TrustedProxyFix,
    limit_body,
    own_names,
)
from digits.web.kind import Body
from tests.apps import running_app
from tests.security.people import HTML, PASSWORD, add_people, bearer, csrf_token


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with running_app(tmp_path_factory.mktemp("headers") / "jobs") as app:
        yield app


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/"),
        ("GET", "/index.json"),
        ("GET", "/nothing"),
        ("POST", "/models/images/classification.json"),
        ("GET", "/static/css/layout.css"),
        ("GET", "/models/images/classification/new"),
        ("DELETE", "/"),
    ],
)
def test_every_answer_tells_browsers_what_they_may_do(
    app: Flask, method: str, address: str
) -> None:
    with app.test_client().open(address, method=method, headers=HTML) as answer:
        headers = answer.headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_the_content_security_policy_lets_nothing_in() -> None:
    policy = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert not any(word in CONTENT_SECURITY_POLICY for word in ("unsafe", "*", "http"))
    assert policy["script-src"] == policy["default-src"] == "'self'"
    nothing = ("object-src", "base-uri", "frame-ancestors", "frame-src")
    assert {policy[name] for name in nothing} == {"'none'"}


def test_behind_tls_browsers_are_told_to_stay_there(app: Flask) -> None:
    answer = app.test_client().get("/", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


# Proxies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "is_believed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("", True),
        ("10.0.0.5", False),
        ("203.0.113.9", False),
        ("nonsense", False),
    ],
)
def test_a_proxys_headers_are_believed_of_trusted_proxies_alone(
    app: Flask, peer: str, is_believed: bool
) -> None:
    answer = app.test_client().get(
        "/", headers={"X-Forwarded-Proto": "https"}, environ_overrides={"REMOTE_ADDR": peer}
    )
    assert ("Strict-Transport-Security" in answer.headers) is is_believed


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Prefix": "/evil"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Port": "666"},
    ],
)
def test_where_the_server_is_no_proxy_says(app: Flask, headers: dict[str, str]) -> None:
    """What used to happen: nginx hands on what a client says of the prefix, and it was believed."""
    client = app.test_client()
    answer = client.get("/", headers=headers)
    assert answer.status_code == 200  # a foreign host would be refused
    assert 'data-root=""' in answer.text
    assert client.post("/jobs/rescan", headers={**headers, "Origin": "https://evil.example"}
                       ).status_code == 403  # fmt: skip


def test_what_a_server_took_for_a_prefix_is_not_believed(app: Flask) -> None:
    answer = app.test_client().get("/", environ_overrides={"SCRIPT_NAME": "/evil"})
    assert 'data-root=""' in answer.text


def test_other_proxies_can_be_trusted(tmp_path: Path) -> None:
    config = load_config(None, {"DIGITS_TRUSTED_PROXIES": "10.0.0.0/8"})
    fix = TrustedProxyFix(None, config.trusted_proxies)
    assert fix._is_trusted("10.1.2.3")
    assert not fix._is_trusted("127.0.0.1")
    with (
        pytest.raises(ConfigError, match="trusted_proxies must hold addresses"),
        running_app(tmp_path / "jobs", trusted_proxies=("my-proxy",)),
    ):
        pass


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("localhost:5000", 200),
        ("LOCALHOST.", 200),
        ("digits.localhost", 200),
        ("127.0.0.1:5000", 200),
        ("[::1]:5000", 200),
        ("192.168.1.5", 200),
        ("evil.example", 403),
        ("evil.example:5000", 403),
        ("localhost.evil.example", 403),
    ],
)
def test_a_server_for_oneself_is_reached_by_its_own_names(app: Flask, host: str, code: int) -> None:
    assert app.test_client().get("/", headers={"Host": host}).status_code == code


@pytest.mark.parametrize(
    ("settings", "host", "code"),
    [
        ({"allowed_hosts": ("digits.lab",)}, "digits.lab", 200),
        ({"allowed_hosts": ("digits.lab",)}, "evil.example", 403),
        ({"allowed_hosts": ("*",)}, "evil.example", 200),
        ({"allowed_hosts": ("Digits.LAB",)}, "digits.lab", 200),
        ({"allowed_hosts": ("digits.lab",)}, "localhost", 200),
        ({"host": "0.0.0.0"}, "digits.lab", 403),
        ({"host": "0.0.0.0"}, "192.168.1.5:5000", 200),
        ({"host": "0.0.0.0"}, socket.gethostname(), 200),
        ({"host": "0.0.0.0", "allowed_hosts": ("digits.lab",)}, "digits.lab", 200),
        ({"host": "0.0.0.0", "allowed_hosts": ("digits.lab",)}, "evil.example", 403),
    ],
)
def test_a_setting_names_the_server(
    tmp_path: Path, settings: dict[str, object], host: str, code: int
) -> None:
    with running_app(tmp_path / "jobs", **settings) as app:
        assert app.test_client().get("/", headers={"Host": host}).status_code == code


def test_with_users_any_name_will_do(tmp_path: Path) -> None:
    tokens = add_people(tmp_path / "jobs")
    with running_app(tmp_path / "jobs") as app:
        headers = {"Host": "digits.lab", **bearer(tokens["ada"])}
        assert app.test_client().get("/", headers=headers).status_code == 200


def test_a_machine_is_known_by_the_domains_of_its_network(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("# search no.example\nnameserver 10.0.0.1\nsearch Lab.example. edu\n\n")
    short = socket.gethostname().lower().partition(".")[0]
    names = own_names(resolver)
    assert {"localhost", short, f"{short}.local", f"{short}.lab.example", f"{short}.edu"} <= names
    assert not any("no.example" in name for name in names)
    assert "localhost" in own_names(tmp_path / "missing")


def test_a_production_server_checks_names_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What used to happen: ./digits-server took any name, also on 127.0.0.1."""
    monkeypatch.delenv("DIGITS_ALLOWED_HOSTS", raising=False)
    assert production_config().allowed_hosts == ()


# Bodies and logs ----------------------------------------------------------------------------------


def test_what_takes_no_files_reads_no_large_bodies(app: Flask) -> None:
    body = b"job_name=" + b"x" * (17 << 20)
    answer = app.test_client().put(
        "/jobs/nothing", data=body, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 413


def endpoints_that_take(app: Flask, body: Body) -> set[str]:
    kinds = app.extensions["digits"].kinds
    return {endpoint for endpoint in app.view_functions if kinds.body_of(endpoint) is body}


def test_what_takes_files_reads_large_ones(app: Flask) -> None:
    assert endpoints_that_take(app, Body.FILES) == {
        "classification_datasets.create",
        "classification_models.create",
        "classification_models.keep_answers",
        "dataset_uploads.add",
        "pretrained_models.create",
        "pretrained_models.upload_archive",
        "uploaded_models.create",
    }
    body = (
        b'--x\r\nContent-Disposition: form-data; name="image_file"; filename="x.png"\r\n\r\n'
        + bytes(17 << 20)
        + b"\r\n--x--\r\n"
    )
    answer = app.test_client().post(
        "/models/images/classification/classify_one.json?job_id=nothing",
        data=body,
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code == 404


def test_a_picture_that_is_held_in_memory_is_not_huge(app: Flask) -> None:
    """What used to happen: a picture of two gigabytes was read into the server's memory."""
    pictures = endpoints_that_take(app, Body.PICTURE)
    assert "classification_models.classify_one" in pictures
    for endpoint in pictures:
        with app.test_request_context(method="POST") as context:
            context.request.url_rule = next(app.url_map.iter_rules(endpoint))
            limit_body()
            assert context.request.max_content_length == PICTURE_BYTES


def test_neither_passwords_nor_tokens_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = add_people(tmp_path / "jobs")
    with caplog.at_level(logging.DEBUG), running_app(tmp_path / "jobs") as app:
        client = app.test_client()
        token = csrf_token(client.get("/login", headers=HTML).text)
        for password in (PASSWORD, "a wrong password"):
            form = {"csrf_token": token, "name": "ada", "password": password}
            client.post("/login", data=form)
            token = csrf_token(app.test_client().get("/login", headers=HTML).text)
        client.get("/", headers={"Authorization": f"Bearer {tokens['ada']}"})
        secret_key = str(app.config["SECRET_KEY"])
    for secret in (PASSWORD, "a wrong password", tokens["ada"], secret_key):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("parse http://ada:secret@nas/x out", "parse http://***@nas/x out"),
        ("http://ada@nas/ HTTPS://a:b@c/", "http://***@nas/ HTTPS://***@c/"),
        ("http://nas/a@b /data/x@y", "http://nas/a@b /data/x@y"),
    ],
)
def test_passwords_in_addresses_are_not_logged(text: str, logged: str) -> None:
    assert without_passwords(text) == logged
