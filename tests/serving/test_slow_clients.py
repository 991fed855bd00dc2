"""Bodies may come slowly, but not for ever; connections take turns and send all."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from digits.serving.connections import ConnectionLimit, Peers
from digits.serving.slow_clients import BodyTimeouts, TimedBody

# Run in a process of its own: gevent's sockets need its hub.
DRIBBLE = """
import gevent, time
from gevent import socket
from digits.serving.slow_clients import TimedBody

ours, theirs = socket.socketpair()

def dribble():
    try:
        while True:
            theirs.send(b"x")
            gevent.sleep(0.02)
    except OSError:
        pass

gevent.spawn(dribble)
body = TimedBody(ours.makefile("rb", -1), connection=ours, grace_s=0.5, least_bytes_per_s=1e5)
try:
    body.read(1000)
    print("read")
except TimeoutError:
    print("refused")
gevent.sleep(0.1)
ours.settimeout(5)
while ours.recv(1000):
    pass
print("hung up")
"""
SEND = """
import gevent
from gevent import socket
from digits.serving.connections import FairSocket

ours, theirs = socket.socketpair()
fair = FairSocket.of(ours, 30)
data = bytes(range(256)) * 20000
received = []

def take():
    while piece := theirs.recv(65536):
        gevent.sleep(0.001)
        received.append(piece)

taking = gevent.spawn(take)
assert fair.send(data) == len(data)
fair.close()
taking.join()
assert b"".join(received) == data
print("whole")
"""
TURNS = """
import gevent
from gevent import socket
from digits.serving.connections import FairSocket

ours, theirs = socket.socketpair()
fair = FairSocket.of(ours, 30)
turns = 0

def other():
    global turns
    while True:
        turns += 1
        gevent.sleep(0)

def flood():
    while True:
        theirs.send(bytes(65536))

gevent.spawn(other)
gevent.spawn(flood)
gevent.sleep(0)
taken = 0
while taken < 10_000_000:
    taken += len(fair.recv(1000))
print("others had turns" if turns > 5 else turns)
"""


def output(program: str) -> str:
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return result.stdout


def test_a_body_that_dribbles_is_refused_and_nobody_waits_for_its_rest() -> None:
    assert output(DRIBBLE).split("\n")[:2] == ["refused", "hung up"]


def test_a_connection_sends_all_that_it_is_given() -> None:
    """gevent's own sends what fits, and live messages were cut off in their middle."""
    assert output(SEND) == "whole\n"


def test_a_client_that_sends_without_a_pause_lets_others_have_their_turn() -> None:
    assert output(TURNS) == "others had turns\n"


@pytest.mark.parametrize("size", [-1, None, 3, 100_000, 300_000])
def test_a_body_is_read_as_it_came(size: int | None) -> None:
    data = bytes(range(256)) * 800
    body = TimedBody(io.BytesIO(data))
    pieces = []
    while piece := body.read(size):  # type: ignore[arg-type]
        pieces.append(piece)
    assert b"".join(pieces) == data
    assert size != 3 or len(pieces[0]) == 3


def test_lines_of_a_body_are_read() -> None:
    assert list(TimedBody(io.BytesIO(b"one\ntwo\nthree"))) == [b"one\n", b"two\n", b"three"]


def test_a_request_without_a_body_keeps_its_stream() -> None:
    """A WebSocket takes its connection from there."""
    seen = []

    def app(environ: dict[str, object], start_response: object) -> list[bytes]:
        seen.append(environ["wsgi.input"])
        return []

    stream = io.BytesIO()
    timed = BodyTimeouts(app)  # type: ignore[arg-type]
    timed({"wsgi.input": stream}, None)  # type: ignore[arg-type]
    timed({"wsgi.input": stream, "CONTENT_LENGTH": "5"}, None)  # type: ignore[arg-type]
    timed({"wsgi.input": stream, "HTTP_TRANSFER_ENCODING": "chunked"}, None)  # type: ignore[arg-type]
    assert seen[0] is stream
    assert [type(found) for found in seen[1:]] == [TimedBody, TimedBody]


def test_one_address_has_a_bounded_number_of_connections_others_and_proxies_have_theirs() -> None:
    limit = ConnectionLimit(Peers(["10.0.0.0/8"]), most_per_address=2)
    with limit.admit("203.0.113.7") as first, limit.admit("203.0.113.7") as second:
        assert first
        assert second
        with limit.admit("203.0.113.7") as third, limit.admit("203.0.113.8") as other:
            assert (third, other) == (False, True)
        for address in ("127.0.0.1", "::1", "10.1.2.3", ""):
            with limit.admit(address), limit.admit(address), limit.admit(address) as proxy:
                assert proxy
    with limit.admit("203.0.113.7") as again:
        assert again


@pytest.mark.parametrize(
    ("peer", "named", "client"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # whom a stranger names is not believed
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_a_client_is_whom_a_proxy_names(peer: str, named: str, client: str) -> None:
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": named}
    assert Peers(["10.0.0.0/8"]).client_of(environ) == client
