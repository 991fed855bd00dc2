"""The development server's HTTP: gevent's pywsgi with bounds on connections and on waiting.

Elsewhere: what these bounds are (`connections.py`), the same for gunicorn (`gunicorn_worker.py`).
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import gevent
from flask import Flask
from gevent import pywsgi
from gevent.pool import Pool

from digits.serving.connections import ConnectionLimit, FairSocket, Peers, allow_many_files

log = logging.getLogger(__name__)


class HttpHandler(pywsgi.WSGIHandler):  # type: ignore[misc]
    """One connection, whose client must send its requests in bounded time."""

    def read_requestline(self) -> str:
        """The request's first line; TimeoutError, which ends the connection, when none comes."""
        with gevent.Timeout(self.server.timeout_s, TimeoutError("no request")):
            return str(super().read_requestline())

    def read_request(self, raw_requestline: str) -> bool:
        """The headers; ValueError, which is answered with 400, when they take too long."""
        too_slow = ValueError("the headers came too slowly")
        with gevent.Timeout(self.server.timeout_s, too_slow):
            return bool(super().read_request(raw_requestline))

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "digits.connection": self.socket}


class HttpServer(pywsgi.WSGIServer):  # type: ignore[misc]
    """Serves `app` on `listener`, to a bounded number of connections.

    `timeout_s` is how long a client may keep us waiting.
    """

    def __init__(self, listener: Any, app: Flask, peers: Peers, timeout_s: float) -> None:
        super().__init__(
            listener,
            app,
            handler_class=HttpHandler,
            spawn=Pool(allow_many_files()),
            log=None,
            error_log=log,
        )
        self.timeout_s = timeout_s
        self._limit = ConnectionLimit(peers)

    def handle(self, sock: Any, address: Any) -> None:
        with (
            self._limit.admit(address[0]) as admitted,
            contextlib.closing(FairSocket.of(sock, self.timeout_s)) as own,
        ):
            if admitted:
                super().handle(own, address)
