"""Who is logged in: one file in the jobs directory, so that a restart logs nobody out.

In: users as they log in and out.  Out: the user's name for a session's secret.  The file holds
hashes of the secrets; a session ends by logout, by time, and with the password that it began with.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from digits.accounts.users import User
from digits.base.atomic import SyncCall, atomic_write
from digits.base.job_files import open_file
from digits.base.known_folder import KnownFolder

log = logging.getLogger(__name__)

SESSIONS_FILE = ".sessions.json"
SESSION_S = 14 * 24 * 3600
# The oldest one goes when somebody logs in from yet another place.
MOST_A_USER = 20


@dataclass(frozen=True)
class Session:
    """A login; `stamp` is that of the user's password."""

    name: str
    stamp: str
    until_s: float


class Sessions:
    """The logins of a server; only the server itself writes them."""

    def __init__(
        self,
        jobs_dir: Path,
        clock: Callable[[], float] = time.time,
        sync: SyncCall = os.fsync,
    ) -> None:
        self.path = jobs_dir / SESSIONS_FILE
        self.clock = clock
        self._sync = sync
        self._folder = KnownFolder(jobs_dir)
        self._sessions: dict[str, Session] = {}
        self._load()

    def begin(self, user: User) -> str:
        """A new session; the answer is its secret."""
        secret = secrets.token_urlsafe(32)
        session = Session(user.name, user.stamp, self.clock() + SESSION_S)
        self._sessions[session_id(secret)] = session
        self._tidy(user.name)
        self._save()
        return secret

    def find(self, secret: str) -> Session | None:
        """The session with this secret, while it lasts."""
        session = self._sessions.get(session_id(secret))
        return session if session is not None and session.until_s > self.clock() else None

    def end(self, secret: str) -> None:
        """End a session; nothing happens when there is none."""
        if self._sessions.pop(session_id(secret), None) is not None:
            self._save()

    def _tidy(self, name: str) -> None:
        now = self.clock()
        kept = {key: each for key, each in self._sessions.items() if each.until_s > now}
        of_user = [key for key, each in kept.items() if each.name == name]
        for key in of_user[:-MOST_A_USER]:
            del kept[key]
        self._sessions = kept

    def _load(self) -> None:
        try:
            with open_file(self.path) as file:
                data = json.loads(file.read())
            self._sessions = {
                str(key): Session(str(s["name"]), str(s["stamp"]), _moment(s["until_s"]))
                for key, s in data.items()
            }
        except FileNotFoundError:
            pass
        except (
            OSError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            log.warning("%s cannot be read, so everybody is logged out: %s", self.path, error)

    def _save(self) -> None:
        if not self._folder.is_there:
            log.warning("%s has gone away: logins hold while this server runs", self._folder.path)
            return
        data = {key: asdict(session) for key, session in self._sessions.items()}
        try:
            with atomic_write(self.path, self._sync) as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(json.dumps(data).encode())
        except OSError as error:
            # The sessions hold while the server runs; that is all that is lost.
            log.warning("%s cannot be written: %s", self.path, error.strerror)
            with contextlib.suppress(OSError):
                self.path.unlink()  # an ended session must not come back with a restart


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.60} is no time")
    return float(value)


def session_id(secret: str) -> str:
    """What a session is known by to those who must not know its secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
