"""gunicorn's gevent worker for DIGITS: bounded connections, and a stop that waits for nobody idle.

gunicorn asks a worker to stop at each reload.  Requests that are being answered are finished; live
connections are told to come back, and idle ones are closed at once, so that the next worker, which
waits for the jobs directory, can begin.
"""

from __future__ import annotations

import contextlib
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from digits.serving.connections import ConnectionLimit, FairSocket, Peers, allow_many_files


class DigitsWorker(GeventWorker):  # type: ignore[misc]
    """Serves what the application of `gunicorn_app.py` starts."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        config = self.app.config
        self._limit = ConnectionLimit(Peers(config.trusted_proxies))
        self._timeout_s = config.client_timeout_s
        # The connections on which no answer is owed: they wait for a request, or are live.
        self._idle: set[FairSocket] = set()

    def init_process(self) -> None:
        self.worker_connections: int = min(self.cfg.worker_connections, allow_many_files())
        super().init_process()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """One connection, from its first to its last request."""
        address = addr[0] if isinstance(addr, tuple) else ""
        with (
            self._limit.admit(address) as admitted,
            contextlib.closing(FairSocket.of(client, self._timeout_s)) as own,
        ):
            if admitted:
                self._idle.add(own)
                try:
                    # Not the parent's, which would take the time limit off again.
                    super(GeventWorker, self).handle(listener, own, addr)
                finally:
                    self._idle.discard(own)

    def handle_request(self, listener_name: Any, req: Any, sock: FairSocket, addr: Any) -> None:
        if not _is_live(req):
            self._idle.discard(sock)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            raise StopIteration from None  # it has stalled: no reason for a traceback in the log
        self._idle.add(sock)

    def handle_exit(self, sig: Any, frame: Any) -> None:
        super().handle_exit(sig, frame)
        # Out of the signal handler, where nothing may wait.
        gevent.spawn(self._say_goodbye)

    def _say_goodbye(self) -> None:
        if self.app.server is not None:
            self.app.server.disconnect_pages()
        for sock in list(self._idle):
            # What has come already is still read, and answered.
            sock.end_reading()


def _is_live(req: Any) -> bool:
    """Whether a request asks for a WebSocket."""
    return any(name == "UPGRADE" and value.lower() == "websocket" for name, value in req.headers)
