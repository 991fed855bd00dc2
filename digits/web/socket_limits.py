"""What pages may take of live connections: how many, how many rooms, how large a message.

Pages send next to nothing: they connect and join the room of their job.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from typing import Any

from flask import request
from flask_socketio import SocketIO, join_room, leave_room

from digits.serving.connections import Peers

log = logging.getLogger(__name__)

MOST_SOCKETS = 1000
# A class of students may share one address; each has a few pages open.
MOST_PER_ADDRESS = 300
# A page is about one job, or a model and its dataset.
MOST_ROOMS = 20
LONGEST_ROOM_NAME = 64
MESSAGE_BYTES = 16 * 1024
# A page answers every 25 s whether it is still there (engine.io's ping).
QUIET_S = 60.0
# For `SocketIO`: messages are taken one after the other, not each in a greenlet of its own.
OPTIONS = {"max_http_buffer_size": MESSAGE_BYTES, "async_handlers": False}


def limit(server: SocketIO, peers: Peers) -> None:
    """Refuse connections beyond the limits, and messages that are too large."""
    engine = server.server.eio
    accept: Callable[[str, dict[str, Any]], Any] = engine.handlers["connect"]

    def connect(sid: str, environ: dict[str, Any]) -> Any:
        # The one that asks is among the sockets already, but not yet among those of an address.
        if len(engine.sockets) > MOST_SOCKETS:
            return False
        address = peers.client_of(environ)
        others = server.server.environ.values()
        if sum(peers.client_of(other) == address for other in others) >= MOST_PER_ADDRESS:
            return False
        return accept(sid, environ)

    engine.on("connect", connect)
    engine._async = {**engine._async, "websocket": _limited(engine._async["websocket"])}


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
