"""Messages over a real socket pair."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from digits.inference import protocol

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_message_arrives_as_it_was_sent(pair: Pair) -> None:
    header = {"op": "x", "numbers": [1, 2.5, None], "text": "ü\n"}
    parts = [b"", b"\0\xff" * 10, bytes(300_000)]
    sender = threading.Thread(target=protocol.send, args=(pair[0], header, parts))
    sender.start()
    message = protocol.receive(pair[1])
    sender.join()
    assert message.header == header
    assert list(message.parts) == parts


def test_messages_follow_each_other(pair: Pair) -> None:
    for number in range(3):
        protocol.send(pair[0], {"number": number}, [bytes([number])])
    for number in range(3):
        assert protocol.receive(pair[1]) == protocol.Message({"number": number}, [bytes([number])])


def test_a_closed_connection_is_lost(pair: Pair) -> None:
    pair[0].sendall(struct.pack(">II", 10, 0) + b"{")
    pair[0].close()
    with pytest.raises(protocol.ConnectionLost):
        protocol.receive(pair[1])
    with pytest.raises(protocol.ConnectionLost):
        protocol.send(pair[1], {}, [bytes(1 << 20)])


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (struct.pack(">II", 1 << 31, 0), "a header of 2147483648 bytes"),
        (struct.pack(">II", 2, 1 << 31), "2147483648 parts"),
        (struct.pack(">IIQ", 2, 1, 1 << 62) + b"{}", "a part of"),
        (struct.pack(">II", 2, 0) + b"{]", "no JSON"),
        (struct.pack(">II", 2, 0) + b"[]", "no JSON object"),
    ],
)
def test_what_is_no_message_is_refused_before_it_is_read(
    pair: Pair, sent: bytes, message: str
) -> None:
    pair[0].sendall(sent)
    with pytest.raises(protocol.ProtocolError, match=message):
        protocol.receive(pair[1])


def test_too_large_a_header_is_not_sent(pair: Pair) -> None:
    with pytest.raises(protocol.ProtocolError, match="too large"):
        protocol.send(pair[0], {"text": "x" * (protocol.MAX_HEADER_BYTES + 1)})


def test_an_answer_that_trickles_in_is_late_as_a_whole(pair: Pair) -> None:
    stop = threading.Event()

    def trickle() -> None:
        for byte in struct.pack(">II", 1000, 0) + b"{" + b" " * 999:
            if stop.wait(0.05):
                return
            pair[0].sendall(bytes([byte]))

    sender = threading.Thread(target=trickle)
    sender.start()
    with pytest.raises(TimeoutError):
        protocol.receive(pair[1], time.monotonic() + 0.3)
    stop.set()
    sender.join()
