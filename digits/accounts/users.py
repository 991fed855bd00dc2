"""The users of a server: one file in the jobs directory, `.users.json`, for its owner's eyes alone.

In: names, passwords, roles, from `python -m digits.tools.user`.  Out: who may log in.  The server
reads the file again when it has changed; without a user in it there are no logins.
Passwords are kept as scrypt hashes; tokens, which are long and random, as SHA-256.

Elsewhere: what a role may do (`web/access.py`), who is logged in (`accounts.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from werkzeug.security import check_password_hash, generate_password_hash

from digits.base.atomic import SyncCall, atomic_write
from digits.base.job_files import open_file, open_to_append
from digits.base.known_folder import KnownFolder
from digits.errors import UserError

log = logging.getLogger(__name__)

USERS_FILE = ".users.json"
FORMAT_VERSION = 1
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024
MOST_TOKENS = 50
TOKEN_PREFIX = "digits_"  # noqa: S105 - so that a token that has leaked is known for one
# scrypt with 32 MB: a tenth of a second a try.
METHOD = "scrypt:32768:8:1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
# What is compared when nobody has the name, so that the answer takes as long.
_NOBODYS_HASH = generate_password_hash(secrets.token_hex(), METHOD)


class Role(StrEnum):
    """What somebody may do: each role includes the ones above it."""

    READER = "reader"  # see everything, change nothing
    USER = "user"  # make jobs, and change one's own
    ADMIN = "admin"  # change everybody's

    @property
    def may_make(self) -> bool:
        """Whether it may make jobs."""
        return self is not Role.READER


@dataclass(frozen=True)
class Token:
    """A token for scripts; itself it is shown once and kept nowhere."""

    label: str
    digest: str
    created_s: float


@dataclass(frozen=True)
class User:
    """Somebody who may log in."""

    name: str
    role: Role
    password: str  # a hash
    tokens: tuple[Token, ...] = ()

    @property
    def stamp(self) -> str:
        """What changes with the password: logins with the old one end."""
        return hashlib.sha256(self.password.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> User:
        """A user as `to_json` wrote it; LookupError, TypeError or ValueError when it is not."""
        tokens = tuple(
            Token(str(t["label"]), str(t["digest"]), float(t["created_s"])) for t in data["tokens"]
        )
        return cls(str(data["name"]), Role(data["role"]), str(data["password"]), tokens)


class Users:
    """The users' file of a jobs directory."""

    def __init__(self, jobs_dir: Path, sync: SyncCall = os.fsync) -> None:
        self.path = jobs_dir / USERS_FILE
        self._sync = sync
        self._users: dict[str, User] = {}
        self._by_digest: dict[str, User] = {}
        self._seen: tuple[int, ...] | None = None
        self._broken = False
        # Where the file was when it was read.
        self._folder: KnownFolder | None = None

    @property
    def exist(self) -> bool:
        """Whether anybody has to log in.  A file that cannot be read lets nobody in."""
        self._look()
        return self._broken or bool(self._users)

    def all(self) -> list[User]:
        """Everybody, by name."""
        self._look()
        return sorted(self._users.values(), key=lambda user: user.name)

    def get(self, name: str) -> User | None:
        self._look()
        return self._users.get(name)

    def with_password(self, name: str, password: str) -> User | None:
        """The user whose name and password these are.  Takes a tenth of a second of a core."""
        user = self.get(name)
        known = user.password if user else _NOBODYS_HASH
        # scrypt takes a password and the same with NULs at its end for one.
        right = check_password_hash(known, password) and "\0" not in password
        return user if right else None

    def with_token(self, token: str) -> User | None:
        """The user that a token belongs to."""
        self._look()
        return self._by_digest.get(_digest(token))

    # Changes ------------------------------------------------------------------------------------

    def add(self, name: str, password: str, role: Role = Role.USER) -> User:
        """A new user; UserError for a bad name or password, or a name that is taken."""
        if not _NAME.fullmatch(name):
            raise UserError(
                f"{name[:80]!r} is no name: letters, digits and . _ @ - are, at most 64 of them, "
                "with a letter or digit first."
            )
        with self._changing():
            if name in self._users:
                raise UserError(f"There is a user {name} already.")
            self._users[name] = User(name, role, _hashed(password))
            return self._users[name]

    def remove(self, name: str) -> None:
        """Remove a user; the jobs stay, and belong to admins and to whoever gets the name."""
        with self._changing():
            self._known(name)
            del self._users[name]

    def change(self, name: str, *, password: str | None = None, role: Role | None = None) -> User:
        """Give a user another password, which ends all logins, or another role."""
        with self._changing():
            user = self._known(name)
            if password is not None:
                user = replace(user, password=_hashed(password))
            if role is not None:
                user = replace(user, role=role)
            self._users[name] = user
            return user

    def add_token(self, name: str, label: str) -> str:
        """A new token for scripts of a user; nobody can read it again later."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._changing():
            user = self._known(name)
            if any(known.label == label for known in user.tokens):
                raise UserError(f"{name} has a token {label!r} already; remove it first.")
            if len(user.tokens) >= MOST_TOKENS:
                raise UserError(f"{name} has {MOST_TOKENS} tokens; remove one first.")
            new = Token(label, _digest(token), time.time())
            self._users[name] = replace(user, tokens=(*user.tokens, new))
        return token

    def remove_token(self, name: str, label: str) -> None:
        """Make a token worthless; UserError when there is none with this label."""
        with self._changing():
            user = self._known(name)
            left = tuple(token for token in user.tokens if token.label != label)
            if len(left) == len(user.tokens):
                labels = ", ".join(repr(token.label) for token in user.tokens) or "none"
                raise UserError(f"{name} has no token {label!r}, but: {labels}.")
            self._users[name] = replace(user, tokens=left)

    def _known(self, name: str) -> User:
        if name not in self._users:
            names = ", ".join(sorted(self._users)) or "none"
            raise UserError(f"There is no user {name[:80]}. Users: {names}.")
        return self._users[name]

    # The file -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Read the file, let the block change the users, and write it; one process at a time."""
        try:
            with open_to_append(self.path.with_name(f"{USERS_FILE}.lock")) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._seen = None
                self._look()
                if self._broken:
                    raise UserError(f"{self.path} cannot be used. Repair it, or move it away.")
                before = dict(self._users)
                try:
                    yield
                    self._write()
                except BaseException:
                    self._take(before)
                    raise
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}.") from error

    def _write(self) -> None:
        data = {"format": FORMAT_VERSION, "users": [user.to_json() for user in self.all_known()]}
        with atomic_write(self.path, self._sync) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(json.dumps(data, indent=1).encode())
        self._take(self._users)

    def all_known(self) -> list[User]:
        """Everybody as last read."""
        return [self._users[name] for name in sorted(self._users)]

    def _take(self, users: Mapping[str, User]) -> None:
        self._users = dict(users)
        self._by_digest = {t.digest: user for user in users.values() for t in user.tokens}

    def _look(self) -> None:
        """Read the file when it is not the one that was read last."""
        try:
            state = self.path.stat()
        except FileNotFoundError:
            if self._folder is not None and not self._folder.is_there:
                return  # its disk is away: that must not open the server to everybody
            self._seen, self._broken = None, False
            self._take({})
            return
        except OSError as error:
            self._give_up(error)
            return
        seen = (state.st_mtime_ns, state.st_size, state.st_ino)
        if seen != self._seen:
            self._seen = seen
            self._folder = KnownFolder(self.path.parent)
            try:
                self._take(_read(self.path))
                self._broken = False
            except (
                OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError,
                RecursionError,
            ) as error:  # fmt: skip
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Let nobody in: a broken file must not open the server to everybody."""
        if not self._broken:
            log.error("%s cannot be used, so nobody can log in: %s", self.path, error)
        self._broken = True
        self._take({})


def _read(path: Path) -> dict[str, User]:
    with open_file(path) as file:
        data = json.loads(file.read())
    if data["format"] > FORMAT_VERSION:
        raise ValueError(f"written by a newer version (format {data['format']})")
    users = [User.from_json(each) for each in data["users"]]
    return {user.name: user for user in users}


def _hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise UserError(f"The password is too short: at least {SHORTEST_PASSWORD} characters.")
    if len(password) > LONGEST_PASSWORD:
        raise UserError(f"The password is too long: at most {LONGEST_PASSWORD} characters.")
    if "\0" in password:
        raise UserError("The password contains a NUL character, which cannot be typed.")
    return generate_password_hash(password, METHOD)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
