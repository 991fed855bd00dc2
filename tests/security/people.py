"""Users of a server under test, and their clients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash

from digits.accounts.users import Role, User, Users

PASSWORD = "correct horse battery"
HTML = {"Accept": "text/html"}
# As `Users.add` makes it, but in no time.
_QUICK_HASH = generate_password_hash(PASSWORD, "scrypt:1024:8:1")
EVERYBODY = {
    "ada": Role.ADMIN,
    "otto": Role.USER,
    "olga": Role.USER,
    "rudi": Role.READER,
}


def add_people(jobs_dir: Path, people: Mapping[str, Role] = EVERYBODY) -> dict[str, str]:
    """Users with the password PASSWORD; answers a token of each."""
    jobs_dir.mkdir(parents=True, exist_ok=True)
    file = Users(jobs_dir)
    with file._changing():
        for name, role in people.items():
            file._users[name] = User(name, role, _QUICK_HASH)
    return {name: file.add_token(name, "test") for name in people}


def bearer(token: str) -> dict[str, str]:
    """The headers of a script with this token."""
    return {"Authorization": f"Bearer {token}"}


def csrf_token(page: str) -> str:
    """The token in a page's form."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def log_in(client: FlaskClient, name: str, password: str = PASSWORD) -> int:
    """Send the form of the login page; answers the status code."""
    page = client.get("/login", headers=HTML).text
    form = {"csrf_token": csrf_token(page), "name": name, "password": password}
    return client.post("/login", data=form).status_code


def logged_in(app: Flask, name: str) -> FlaskClient:
    """A browser in which somebody is logged in."""
    client = app.test_client()
    assert log_in(client, name) == 303
    return client
