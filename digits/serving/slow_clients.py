"""How long a request's body may take: slow lines are waited for, clients that hold on are not.

In: the bytes of a body as they come.  Out: the same, or a TimeoutError, which Werkzeug takes for a
client that has gone (400).  A body must come with a rate that any line has; what stalls altogether
is noticed by the connection (`connections.py`).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import gevent

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

# What any body may take, and the least rate of what is longer than that.
GRACE_S = 30.0
LEAST_BYTES_PER_S = 2000.0
PIECE_BYTES = 64 * 1024


class BodyTimeouts:
    """WSGI: lets `app` read bodies that come too slowly only for so long."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        grace_s: float = GRACE_S,
        least_bytes_per_s: float = LEAST_BYTES_PER_S,
    ) -> None:
        self.app = app
        self.grace_s = grace_s
        self.least_bytes_per_s = least_bytes_per_s

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Without a body the stream stays as it is: a WebSocket takes its connection from there.
        if environ.get("CONTENT_LENGTH", "0") not in ("", "0") or (
            "HTTP_TRANSFER_ENCODING" in environ
        ):
            environ["wsgi.input"] = TimedBody(
                environ["wsgi.input"],
                connection=environ.get("digits.connection", environ.get("gunicorn.socket")),
                grace_s=self.grace_s,
                least_bytes_per_s=self.least_bytes_per_s,
            )
        return self.app(environ, start_response)


class TimedBody:
    """A request's body; a read that would take too long raises TimeoutError."""

    def __init__(
        self,
        stream: InputStream,
        *,
        connection: Any = None,
        grace_s: float = GRACE_S,
        least_bytes_per_s: float = LEAST_BYTES_PER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._grace_s = grace_s
        self._least_bytes_per_s = least_bytes_per_s
        self._clock = clock
        # Seconds spent in waiting for the client, not what the application does in between.
        self._waited_s = 0.0
        self._received = 0

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; all that is left without it."""
        if size is not None and 0 <= size <= PIECE_BYTES:
            return self._timed(lambda: self._stream.read(size), size)
        left = None if size is None or size < 0 else size
        return b"".join(self._pieces(left))

    def readline(self, size: int = -1) -> bytes:
        """A line, or its first `size` bytes."""
        return self._timed(lambda: self._stream.readline(size), PIECE_BYTES)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """All lines."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def _pieces(self, left: int | None) -> Iterator[bytes]:
        while left is None or left > 0:
            size = PIECE_BYTES if left is None else min(left, PIECE_BYTES)
            piece = self.read(size)
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece

    def _timed(self, read: Callable[[], bytes], size: int) -> bytes:
        due_s = self._grace_s + (self._received + size) / self._least_bytes_per_s
        began_s = self._clock()
        try:
            # gevent's, since a buffered reader asks again and again until it has all.
            with gevent.Timeout(due_s - self._waited_s, TimeoutError("the body comes too slowly")):
                piece = read()
        except TimeoutError:
            self._hang_up()
            raise
        self._waited_s += self._clock() - began_s
        self._received += len(piece)
        return piece

    def _hang_up(self) -> None:
        """Let nobody wait for the rest of the body; an answer can still be sent."""
        with contextlib.suppress(OSError, AttributeError):
            self._connection.shutdown(socket.SHUT_RD)
