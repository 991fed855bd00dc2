"""What pages may take of live connections: how many, how many rooms, how large a message.

Pages send next to nothing: they connect and join the room of their job.
"""

from __future__ import annotations

import errno
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from flask import request
from flask_socketio import SocketIO, join_room, leave_room

from digits.accounts.login_limit import network_of
from digits.serving.connections import Peers

log = logging.getLogger(__name__)

MOST_SOCKETS = 1000
# A class of students may share one address (of IPv6: one /64 network); each has a few pages open.
MOST_PER_ADDRESS = 300
# A page is about one job, or a model and its dataset.
MOST_ROOMS = 20
LONGEST_ROOM_NAME = 64
MESSAGE_BYTES = 16 * 1024
# A page joins a namespace at once.  Whoever has not by then leaves its place to others.
JOIN_S = 30.0
TIDY_S = 1.0
# What a refused handshake is answered, with 401.
STRANGER = "Log in first."
TOO_MANY = "There are too many live connections."
MayConnect = Callable[[dict[str, Any]], bool]
# A page answers every 25 s whether it is still there (engine.io's ping).
QUIET_S = 60.0
# For `SocketIO`: messages are taken one after the other, not each in a greenlet of its own.
OPTIONS = {"max_http_buffer_size": MESSAGE_BYTES, "async_handlers": False}


def limit(server: SocketIO, peers: Peers, may_connect: MayConnect = lambda environ: True) -> None:
    """Refuse connections beyond the limits, of strangers, and messages that are too large.

    `may_connect` is asked before a connection takes any of the room that there is.
    """
    engine = server.server.eio
    door = _Door(server, peers, may_connect, engine.handlers["connect"])
    engine.on("connect", door.connect)
    engine._async = {**engine._async, "websocket": _limited(engine._async["websocket"])}


class _Door:
    """Takes handshakes, and gives the places of those that come to nothing to others."""

    def __init__(
        self,
        server: SocketIO,
        peers: Peers,
        may_connect: MayConnect,
        accept: Callable[[str, dict[str, Any]], Any],
    ) -> None:
        self.server = server.server
        self.peers = peers
        self.may_connect = may_connect
        self.accept = accept
        # Connection -> its network, and when it was made.
        self._made: dict[str, tuple[str, float]] = {}
        self._tidied_s = -math.inf

    def connect(self, sid: str, environ: dict[str, Any]) -> Any:
        """The handler of engine.io: a text refuses (401)."""
        if not self.may_connect(environ):
            return STRANGER
        self._tidy()
        network = network_of(self.peers.client_of(environ))
        # The one that asks is among the sockets already, but not yet among those that were made.
        if len(self.server.eio.sockets) > MOST_SOCKETS:
            return TOO_MANY
        if sum(other == network for other, _ in self._made.values()) >= MOST_PER_ADDRESS:
            return TOO_MANY
        self._made[sid] = (network, time.monotonic())
        return self.accept(sid, environ)

    def _tidy(self) -> None:
        """Forget connections that have ended, and end those that joined nothing."""
        now = time.monotonic()
        sockets = self.server.eio.sockets
        self._made = {sid: made for sid, made in self._made.items() if sid in sockets}
        if now - self._tidied_s < TIDY_S:
            return
        self._tidied_s = now
        joined = self._joined()
        for sid, (_, since_s) in list(self._made.items()):
            if sid not in joined and now - since_s > JOIN_S:
                del self._made[sid]
                sockets[sid].close(wait=False, abort=True)
                sockets.pop(sid, None)

    def _joined(self) -> set[str]:
        """The connections that are in a namespace."""
        rooms = self.server.manager.rooms
        return {sid for namespace in list(rooms) for sid in list(rooms[namespace][None].values())}


def _limited(kind: Any) -> Any:
    class LimitedWebSocket(kind):  # type: ignore[misc]
        """engine.io's WebSocket, which would take a message of any size into the memory."""

        def __init__(self, handler: Any, server: Any) -> None:
            super().__init__(handler, server)
            self.server_args["max_message_size"] = MESSAGE_BYTES

        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            # Compressing takes 300 kB a page, and time for each of them.
            environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
            connection = environ.get("digits.connection", environ.get("gunicorn.socket"))
            if connection is not None:
                connection.settimeout(QUIET_S)
            return super().__call__(environ, start_response)

        def send(self, message: Any) -> None:
            try:
                super().send(message)
            except OSError as error:
                # engine.io's has no number, by which an HTTP server knows that a client just left.
                raise BrokenPipeError(errno.EPIPE, "the client has gone") from error

    return LimitedWebSocket


class Rooms:
    """Who is in the rooms of jobs; `join` and `leave` are what pages send."""

    def __init__(self) -> None:
        self._rooms: dict[str, set[str]] = {}

    def join(self, data: Any) -> None:
        """Enter the room of a job; nothing happens in too many of them, or without a name."""
        room = _room(data)
        mine = self._rooms.setdefault(client_id(), set())
        if room is not None and (len(mine) < MOST_ROOMS or room in mine):
            mine.add(room)
            join_room(room)

    def leave(self, data: Any) -> None:
        """Leave the room of a job."""
        room = _room(data)
        if room is not None:
            self._rooms.get(client_id(), set()).discard(room)
            leave_room(room)

    def forget(self) -> None:
        """A client has gone."""
        self._rooms.pop(client_id(), None)


def client_id() -> str:
    """Which connection the present message came over; Flask-SocketIO knows it."""
    return str(request.sid)  # type: ignore[attr-defined]


def _room(data: Any) -> str | None:
    room = data.get("room") if isinstance(data, dict) else None
    return room if isinstance(room, str) and 0 < len(room) <= LONGEST_ROOM_NAME else None
