"""Logins of one server: its users, who of them is logged in, and how often passwords are guessed.

In: passwords, tokens, sessions' secrets.  Out: a User, or None.  No Flask here; what a request
brings with it is read in `web/logins.py`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from digits.accounts.login_limit import LoginLimit
from digits.accounts.sessions import Sessions
from digits.accounts.users import LONGEST_PASSWORD, User, Users
from digits.base.atomic import SyncCall
from digits.errors import LoginRefused, TooManyTries

Answer = TypeVar("Answer")
# Runs something that keeps a core busy; a server on gevent hands in its thread pool.
RunInThread = Callable[[Callable[[], Answer]], Answer]
# Passwords that are looked at together: each takes 32 MB.
MOST_AT_A_TIME = 2
LONGEST_NAME = 64


class Accounts:
    """Who may come in."""

    def __init__(
        self,
        jobs_dir: Path,
        run_in_thread: RunInThread[User | None] = lambda call: call(),
        sync: SyncCall = os.fsync,
    ):
        self.users = Users(jobs_dir, sync)
        self.sessions = Sessions(jobs_dir, sync=sync)
        self.limit = LoginLimit()
        self._run_in_thread = run_in_thread
        self._places = threading.BoundedSemaphore(MOST_AT_A_TIME)

    @property
    def are_on(self) -> bool:
        """Whether anybody has to log in."""
        return self.users.exist

    def log_in(self, name: str, password: str, address: str, browser: str = "") -> tuple[User, str]:
        """The user and the secret of a new session; LoginRefused, TooManyTries.

        `browser` is the id of one in which this user has logged in before, by this password.
        """
        if len(name) > LONGEST_NAME or len(password) > LONGEST_PASSWORD:
            raise LoginRefused()
        if wait_s := self.limit.wait_s(address, name, browser):
            raise TooManyTries(wait_s)
        # Counted before the answer is known: a hundred tries at once must not all be let through.
        self.limit.failed(address, name, browser)
        with self._places:
            user = self._run_in_thread(lambda: self.users.with_password(name, password))
        if user is None:
            raise LoginRefused()
        self.limit.succeeded(address, name, browser)
        return user, self.sessions.begin(user)

    def log_out(self, secret: str) -> None:
        """End a session for good: its cookie is worth nothing afterwards."""
        self.sessions.end(secret)

    def of_session(self, secret: str) -> User | None:
        """Who is logged in with this secret."""
        session = self.sessions.find(secret)
        user = self.users.get(session.name) if session else None
        return user if user and session and user.stamp == session.stamp else None

    def of_token(self, token: str) -> User | None:
        """Whose token this is."""
        return self.users.with_token(token)
