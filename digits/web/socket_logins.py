"""Whose each open socket is: one that nobody is logged in for any more is closed.

In: connections, and logins that end (`logins.logged_out`, a users' file that has changed).
Elsewhere: what sockets are told (`sockets.py`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Flask, request, session
from flask_socketio import ConnectionRefusedError, SocketIO

from digits.accounts.accounts import Accounts
from digits.accounts.users import User
from digits.web import logins
from digits.web.headers import Hosts, host_name

log = logging.getLogger(__name__)

# How soon a user who was removed is told nothing more.
LOOK_AGAIN_S = 1.0
Identify = Callable[[], User | None]


class SocketLogins:
    """The open sockets of an application; blinker holds it weakly, the app strongly."""

    def __init__(self, app: Flask, accounts: Accounts, hosts: Hosts) -> None:
        self.app = app
        self.accounts = accounts
        self.hosts = hosts
        self._server: SocketIO | None = None
        # (namespace, id) of a socket -> who it is now.
        self._sockets: dict[tuple[str, str], Identify] = {}
        self._looked_s = time.monotonic()
        logins.logged_out.connect(self._logged_out)

    def close_on(self, server: SocketIO) -> None:
        """Say whose sockets they are."""
        self._server = server

    def may_connect(self, environ: dict[str, Any]) -> bool:
        """Whether a connection may be made at all: strangers get none, where there are users."""
        if not self.accounts.are_on:
            return True
        with self.app.request_context(environ):
            return self._identify()() is not None

    def admit(self, auth: Any = None) -> None:
        """Let a client in that is logged in, or anybody where there are no users."""
        if not self.hosts.allow(host_name(request.host)):
            raise ConnectionRefusedError("This server is not known by this name.")
        identify = self._identify()
        if self.accounts.are_on and identify() is None:
            # The code tells a page why, as the status of an answer would.
            raise ConnectionRefusedError("Log in first.", {"code": HTTPStatus.UNAUTHORIZED.value})
        self._sockets[request.namespace, request.sid] = identify  # type: ignore[attr-defined]

    def leave(self, reason: Any = None) -> None:
        """Forget a client that has gone."""
        self._sockets.pop((request.namespace, request.sid), None)  # type: ignore[attr-defined]

    def look(self) -> None:
        """Close the sockets of users who are no users any more; called before something is told."""
        if time.monotonic() - self._looked_s >= LOOK_AGAIN_S:
            self._close_strangers()

    def _identify(self) -> Identify:
        """How to find out who this client is, now and later."""
        accounts = self.accounts
        header = request.headers.get("Authorization", "")
        if header.lower().startswith(logins.BEARER):
            token = header[len(logins.BEARER) :].strip()
            return lambda: accounts.of_token(token)
        secret = session.get(logins.SECRET)
        return lambda: accounts.of_session(secret) if isinstance(secret, str) else None

    def _logged_out(self, session_id: str) -> None:
        self._close_strangers()

    def _close_strangers(self) -> None:
        self._looked_s = time.monotonic()
        if not self.accounts.are_on:
            return
        for (namespace, sid), identify in list(self._sockets.items()):
            if identify() is None:
                self._sockets.pop((namespace, sid), None)
                if self._server is not None:
                    # Told why first: a client takes it for final when the server closes.
                    self._server.server.emit("login ended", to=sid, namespace=namespace)
                    self._server.server.disconnect(sid, namespace=namespace)
