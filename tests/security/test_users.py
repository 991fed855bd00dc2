"""The users' file and the program that writes it."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from digits.accounts import login_limit
from digits.accounts.login_limit import (
    MOST_FOR_ADDRESS,
    MOST_FOR_BOTH,
    MOST_REMEMBERED,
    WINDOW_S,
    LoginLimit,
)
from digits.accounts.sessions import MOST_A_USER, SESSION_S, Sessions
from digits.accounts.users import LONGEST_PASSWORD, SHORTEST_PASSWORD, Role, User, Users
from digits.errors import UserError
from digits.tools import user as program
from tests.security.people import PASSWORD, add_people


def run(
    monkeypatch: pytest.MonkeyPatch, jobs_dir: Path, *words: str, password: str = PASSWORD
) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
    return program.main(["--jobs-dir", str(jobs_dir), *words])


# The program --------------------------------------------------------------------------------------


def test_the_first_user_is_told_that_logins_are_on(jobs_dir: Path) -> None:
    command = [sys.executable, "-m", "digits.tools.user", "--jobs-dir", str(jobs_dir)]
    done = subprocess.run(
        [*command, "add", "ada", "--role", "admin"],
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "Added ada, admin.",
        "Logins are on now: everybody has to log in, and scripts need a token.",
    ]
    users = Users(jobs_dir)
    assert users.with_password("ada", PASSWORD) is not None
    assert users.path.stat().st_mode & 0o777 == 0o600


def test_a_life_of_a_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], jobs_dir: Path
) -> None:
    add_people(jobs_dir, {"ada": Role.ADMIN})
    users = Users(jobs_dir)
    assert run(monkeypatch, jobs_dir, "add", "otto") == 0
    assert run(monkeypatch, jobs_dir, "role", "otto", "reader") == 0
    assert run(monkeypatch, jobs_dir, "password", "otto", password="a new password") == 0
    capsys.readouterr()
    assert run(monkeypatch, jobs_dir, "token", "otto", "nightly") == 0
    token = capsys.readouterr().out.strip()
    otto = users.with_token(token)
    assert otto is not None
    assert (otto.name, otto.role) == ("otto", Role.READER)
    assert users.with_password("otto", "a new password") == otto
    assert run(monkeypatch, jobs_dir, "list") == 0
    assert "otto  reader\n    token nightly, made 2" in capsys.readouterr().out
    assert run(monkeypatch, jobs_dir, "token", "otto", "nightly", "--remove") == 0
    assert users.with_token(token) is None
    assert run(monkeypatch, jobs_dir, "remove", "otto") == 0
    assert run(monkeypatch, jobs_dir, "remove", "ada") == 0
    assert "logins are off now" in capsys.readouterr().out
    assert not users.exist


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add", "ada"), "There is a user ada already."),
        (("add", "../x"), "is no name"),
        (("remove", "nobody"), "There is no user nobody. Users: ada."),
        (("password", "nobody"), "There is no user nobody. Users: ada."),
        (("role", "nobody", "admin"), "There is no user nobody. Users: ada."),
        (("token", "nobody", "x"), "There is no user nobody. Users: ada."),
        (("token", "ada", "test"), "ada has a token 'test' already"),
        (("token", "ada", "other", "--remove"), "ada has no token 'other', but: 'test'."),
    ],
)
def test_what_cannot_be_done_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    jobs_dir: Path,
    words: tuple[str, ...],
    message: str,
) -> None:
    add_people(jobs_dir, {"ada": Role.ADMIN})
    before = Users(jobs_dir).path.read_bytes()
    assert run(monkeypatch, jobs_dir, *words) == 1
    assert message in capsys.readouterr().err
    assert Users(jobs_dir).path.read_bytes() == before


def test_a_server_without_an_admin_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], jobs_dir: Path
) -> None:
    assert run(monkeypatch, jobs_dir, "add", "otto") == 0
    assert "Nobody is admin" in capsys.readouterr().out


# The file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password", ["", "x" * (SHORTEST_PASSWORD - 1), "x" * (LONGEST_PASSWORD + 1), "with a \0 in it"]
)
def test_passwords_have_a_sensible_length(jobs_dir: Path, password: str) -> None:
    jobs_dir.mkdir()
    with pytest.raises(UserError, match="password"):
        Users(jobs_dir).add("ada", password)
    assert not Users(jobs_dir).exist


@pytest.mark.parametrize("name", ["", " ada", "a/b", "../x", "ä", "-x", "a" * 65, "a b", "a\n"])
def test_names_are_plain(jobs_dir: Path, name: str) -> None:
    jobs_dir.mkdir()
    with pytest.raises(UserError, match="is no name"):
        Users(jobs_dir).add(name, PASSWORD)


def test_two_programs_that_write_at_once_lose_nothing(jobs_dir: Path) -> None:
    add_people(jobs_dir)
    writers = [
        threading.Thread(target=Users(jobs_dir).add_token, args=("otto", f"number {number}"))
        for number in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    otto = Users(jobs_dir).get("otto")
    assert otto is not None
    assert len(otto.tokens) == 9


def test_a_broken_file_is_not_written_over(jobs_dir: Path) -> None:
    jobs_dir.mkdir()
    users = Users(jobs_dir)
    users.path.write_text("{")
    with pytest.raises(UserError, match="cannot be used"):
        users.add("ada", PASSWORD)
    assert users.path.read_text() == "{"
    assert users.exist


# Sessions -----------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_session_ends_by_itself(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(tmp_path, clock)
    secret = sessions.begin(User("ada", Role.ADMIN, "hash"))
    clock.now_s += SESSION_S - 1
    assert sessions.find(secret) is not None
    clock.now_s += 1
    assert sessions.find(secret) is None


def test_the_oldest_of_many_sessions_goes(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, Clock())
    secrets = [sessions.begin(User("ada", Role.ADMIN, "hash")) for _ in range(MOST_A_USER + 2)]
    other = sessions.begin(User("otto", Role.USER, "hash"))
    alive = [sessions.find(secret) is not None for secret in secrets]
    assert alive == [False] * 2 + [True] * MOST_A_USER
    assert sessions.find(other) is not None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}', '{"x": {"name": "ada"}}'])
def test_sessions_that_cannot_be_read_are_over(tmp_path: Path, content: str) -> None:
    (tmp_path / ".sessions.json").write_text(content)
    sessions = Sessions(tmp_path, Clock())
    assert sessions.find(sessions.begin(User("ada", Role.ADMIN, "hash"))) is not None


# The limit ----------------------------------------------------------------------------------------


def test_the_limit_is_over_after_its_window() -> None:
    clock = Clock()
    limit = LoginLimit(clock)
    for _ in range(MOST_FOR_BOTH):
        assert limit.wait_s("192.0.2.1", "ada") == 0
        limit.failed("192.0.2.1", "ada")
        clock.now_s += 1
    assert limit.wait_s("192.0.2.1", "ada") == WINDOW_S - MOST_FOR_BOTH
    clock.now_s += WINDOW_S - MOST_FOR_BOTH
    assert limit.wait_s("192.0.2.1", "ada") == 0


def test_an_address_that_tries_many_names_has_to_wait() -> None:
    limit = LoginLimit(Clock())
    for number in range(MOST_FOR_ADDRESS):
        assert limit.wait_s("2001:db8::1", f"name {number}") == 0
        limit.failed("2001:db8::1", f"name {number}")
    # One customer has all of a /64 network.
    assert limit.wait_s("2001:db8::2", "ada") > 0
    assert limit.wait_s("2001:db8:0:1::1", "ada") == 0


def test_guessing_from_everywhere_costs_no_memory() -> None:
    limit = LoginLimit(Clock())
    for number in range(MOST_REMEMBERED):
        limit.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"name {number}")
    assert len(limit._failures) <= MOST_REMEMBERED


def test_whoever_failed_last_is_forgotten_last(monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise a guesser would be forgotten by failing from many addresses in between.
    monkeypatch.setattr(login_limit, "MOST_REMEMBERED", 6)
    limit = LoginLimit()
    for number in range(20):
        limit.failed("203.0.113.1", "ada")
        limit.failed(f"198.51.100.{number}", "otto")
    assert limit.wait_s("203.0.113.1", "ada") > 0
