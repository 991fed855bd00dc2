"""How the server and a worker talk: one message, one answer, over a local stream socket.

A message is a JSON header and any number of binary parts (pictures, arrays), so that nothing large
is ever parsed as text.  On the wire, sizes in bytes, big endian:

    header size (4) | number of parts (4) | size of each part (8 each) | header | parts

Nothing is pickled: a worker that loads a hostile file cannot make the server run anything.
Plain blocking socket calls, which gevent's monkey-patching turns into waiting greenlets.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A header holds numbers and names; what is larger belongs into a part.  Parsing 4 MB of JSON takes
# the server 40 ms, in which it answers nobody else.
MAX_HEADER_BYTES = 4 << 20
MAX_PARTS = 10_000
MAX_PART_BYTES = 1 << 30
_PREFIX = struct.Struct(">II")
_SIZE = struct.Struct(">Q")

Part = bytes | bytearray | memoryview


class ConnectionLost(Exception):
    """The other side is gone."""


class ProtocolError(Exception):
    """What arrived is no message of this protocol, or what is to be sent does not fit one."""


@dataclass(frozen=True)
class Message:
    """A header of plain JSON values and its binary parts."""

    header: Mapping[str, Any]
    parts: Sequence[bytes] = ()


def send(sock: socket.socket, header: Mapping[str, Any], parts: Sequence[Part] = ()) -> None:
    """Send one message.  Raises ConnectionLost, TimeoutError, or ProtocolError when too large."""
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) > MAX_HEADER_BYTES or len(parts) > MAX_PARTS:
        raise ProtocolError(f"a header of {len(text)} bytes with {len(parts)} parts is too large")
    sizes = b"".join(_SIZE.pack(len(part)) for part in parts)
    try:
        sock.sendall(_PREFIX.pack(len(text), len(parts)) + sizes + text)
        for part in parts:
            sock.sendall(part)
    except TimeoutError:
        raise
    except OSError as error:
        raise ConnectionLost(str(error)) from error


def receive(sock: socket.socket, deadline: float | None = None) -> Message:
    """The next message, whole before `deadline` (of time.monotonic; None: whenever it comes).

    Raises ConnectionLost, TimeoutError or ProtocolError.
    """
    header_size, count = _PREFIX.unpack(_read(sock, _PREFIX.size, deadline))
    if header_size > MAX_HEADER_BYTES or count > MAX_PARTS:
        raise ProtocolError(f"a header of {header_size} bytes with {count} parts is too large")
    sizes = [size for (size,) in _SIZE.iter_unpack(_read(sock, _SIZE.size * count, deadline))]
    if max(sizes, default=0) > MAX_PART_BYTES:
        raise ProtocolError(f"a part of {max(sizes)} bytes is too large")
    try:
        header = json.loads(_read(sock, header_size, deadline))
    except ValueError as error:
        raise ProtocolError(f"the header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise ProtocolError("the header is no JSON object")
    return Message(header, [bytes(_read(sock, size, deadline)) for size in sizes])


def _read(sock: socket.socket, size: int, deadline: float | None) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    filled = 0
    while filled < size:
        if deadline is not None:
            # Each call gets what is left: an answer that trickles in is late as well.
            sock.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            count = sock.recv_into(view[filled:])
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        if count == 0:
            raise ConnectionLost("the connection was closed")
        filled += count
    return data
