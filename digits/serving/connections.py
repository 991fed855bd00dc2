"""What one client may take of the server: connections, time, and turns of the event loop.

Used by both servers: `server.py` (development) and `gunicorn_worker.py` (production).
Elsewhere: the time for a request's body (`slow_clients.py`), live connections
(`web/socket_limits.py`).
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import gevent
from gevent import socket

from digits.accounts.login_limit import network_of
from digits.serving.access_log import is_local

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 2000
# A class of students may share one address.  nginx.site has a limit of its own: to DIGITS all of
# its clients are local.
MOST_PER_ADDRESS = 300
# Files that the server needs beside its connections: logs, databases, workers.
OTHER_FILES = 1000
# How long a connection may read what is there already before others get their turn.
TURN_S = 0.002


class Peers:
    """Tells proxies from clients: a proxy speaks for many, and says for whom."""

    def __init__(self, proxies: Iterable[str] = ()) -> None:
        self.networks = [ipaddress.ip_network(proxy) for proxy in proxies]

    def is_proxy(self, address: str) -> bool:
        """Whether an address is this machine's own, or that of a proxy that the settings trust."""
        if is_local(address):
            return True
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(found in network for network in self.networks)

    def client_of(self, environ: Mapping[str, Any]) -> str:
        """Who asks: whom a proxy names last, else who is connected."""
        peer = str(environ.get("REMOTE_ADDR") or "")
        named = str(environ.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
        return named if named and self.is_proxy(peer) else peer


class ConnectionLimit:
    """Counts connections by address, and says who may come in."""

    def __init__(self, peers: Peers, most_per_address: int = MOST_PER_ADDRESS) -> None:
        self.peers = peers
        self.most_per_address = most_per_address
        # Guards the counts.
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()

    @contextlib.contextmanager
    def admit(self, address: str) -> Iterator[bool]:
        """For as long as a connection lasts; gives False when its address has too many."""
        is_proxy = self.peers.is_proxy(address)
        address = network_of(address)  # else whoever has a /64 could take all places
        with self._lock:
            self._inside[address] += 1
            count = self._inside[address]
        admitted = count <= self.most_per_address or is_proxy
        if not admitted and count == self.most_per_address + 1:
            log.warning("%s has %d connections; no more are taken", address, count - 1)
        try:
            yield admitted
        finally:
            with self._lock:
                self._inside[address] -= 1
                if not self._inside[address]:
                    del self._inside[address]


class FairSocket(socket.socket):  # type: ignore[misc]
    """A connection that gives up when it stalls, and lets others have their turn.

    gevent waits only for what is not there yet: a client that sends without a pause would keep the
    event loop to itself.
    """

    _turn_began_s = 0.0
    _is_ended = False

    @classmethod
    def of(cls, sock: Any, timeout_s: float) -> FairSocket:
        """The same connection, to stall for `timeout_s` at most; `sock` is of no use any more."""
        fair = cls(sock.family, sock.type, sock.proto, fileno=sock.detach())
        fair.settimeout(timeout_s)
        # Small answers go at once: else 40 ms a request on a connection that is kept.
        if fair.family in (socket.AF_INET, socket.AF_INET6):
            fair.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A client that vanished without a word is noticed.
            fair.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return fair

    def recv(self, *arguments: Any) -> bytes:
        self._take_turns()
        try:
            return bytes(super().recv(*arguments))
        except OSError as error:
            self._require_end(error)
            return b""

    def recv_into(self, *arguments: Any) -> int:
        self._take_turns()
        try:
            return int(super().recv_into(*arguments))
        except OSError as error:
            self._require_end(error)
            return 0

    def end_reading(self) -> None:
        """Let whoever reads see the end of the connection, once what has come already is read."""
        self._is_ended = True
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RD)

    def _require_end(self, error: OSError) -> None:
        """Raise an error of reading, unless `end_reading` is its cause: gevent ends waits by it."""
        if not (self._is_ended and error.errno == errno.EBADF):
            raise error

    def send(self, data: Any, *arguments: Any, **named: Any) -> int:
        """Send all of `data`, as simple-websocket takes for granted that send does."""
        view = memoryview(data).cast("B")
        sent = 0
        while sent < len(view):
            sent += super().send(view[sent:], *arguments, **named)
        return len(view)

    def _take_turns(self) -> None:
        if time.monotonic() - self._turn_began_s > TURN_S:
            gevent.sleep(0)
            self._turn_began_s = time.monotonic()


def allow_many_files() -> int:
    """Raise the limit of open files as far as needed; answers how many connections fit then."""
    wanted = MOST_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_CONNECTIONS
    return max(soft // 2, soft - OTHER_FILES)
