"""What the fork server is told to start, as one message with the descriptors that go with it.

In: what a caller would have given to `subprocess.Popen`.  Out: a datagram of JSON and descriptors.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

# More does not fit into a datagram of the default size.
MOST_BYTES = 128_000
MOST_DESCRIPTORS = 8


@dataclass(frozen=True)
class Order:
    """A program to start: `python -m module arguments...`."""

    module: str
    arguments: Sequence[str]
    folder: str  # to work in
    environment: Mapping[str, str]
    # Under which number the program finds each descriptor that is sent along.
    descriptors: Sequence[int]
    umask: int
    # The variable that stands first in the environment that others see.
    mark: str = ""
    # Where the process id and the exit status are written (`keeper.py`), relative to `folder`.
    record: str = ""

    def send(self, sock: socket.socket, descriptors: Sequence[int]) -> None:
        """Send it; raises OSError, also when it is too long."""
        data = json.dumps(asdict(self)).encode("utf-8", "surrogateescape")
        if len(data) > MOST_BYTES:
            raise OSError(f"an order of {len(data)} bytes is too long")
        socket.send_fds(sock, [data], list(descriptors))

    @classmethod
    def receive(cls, sock: socket.socket) -> tuple[Order, list[int]]:
        """An order and its descriptors, as they are numbered here; raises OSError, ValueError."""
        data, descriptors, _, _ = socket.recv_fds(sock, MOST_BYTES, MOST_DESCRIPTORS)
        if not data:
            raise OSError("the caller has gone")
        return cls(**json.loads(data.decode("utf-8", "surrogateescape"))), list(descriptors)
