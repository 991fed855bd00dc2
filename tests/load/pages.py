"""Open pages, in a process of their own: `python -m tests.load.pages URL JOB COUNT`.

Each opens its live connection as a browser does, by long polling and then by a WebSocket, and
listens to the home page's messages and to those of one job.  Until its input ends the program
prints an object a line: `open`, how many pages are in the job's room; `heard` and `at_s` (of
`time.monotonic`) when a page is told a new name; `lost` and why when a connection breaks; at last
`messages`, their number.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from typing import Any

import requests
import websocket
from engineio import packet as engine_packet
from socketio import packet as messages

ANSWER_S = 60.0
JOIN = 1
_printing = threading.Lock()


def main() -> None:
    url, job_id, count = sys.argv[1:]
    pages = [Page(url, job_id) for _ in range(int(count))]
    threads = [threading.Thread(target=page.listen, daemon=True) for page in pages]
    for thread in threads:
        thread.start()
    for page in pages:
        page.is_in_room.wait(ANSWER_S)
    tell(open=sum(page.is_in_room.is_set() for page in pages))
    sys.stdin.read()
    for page in pages:
        page.leave()
    for thread in threads:
        thread.join(ANSWER_S)
    tell(messages=sum(page.messages for page in pages))


def tell(**named: Any) -> None:
    """Print an object on a line of its own."""
    with _printing:
        sys.stdout.write(json.dumps(named) + "\n")
        sys.stdout.flush()


class Page:
    """One open page.

    Not python-socketio's client: that starts a thread for each message, and gives a connection up
    when a ping is 5 seconds late, where browsers wait as long as the server tells them to.
    """

    def __init__(self, url: str, job_id: str) -> None:
        self.url = url
        self.job_id = job_id
        self.messages = 0
        self.is_in_room = threading.Event()
        self._is_leaving = False
        self._connection: websocket.WebSocket | None = None

    def listen(self) -> None:
        """Take messages until the program ends or the connection is lost, which is told."""
        try:
            connection = self._connection = self._connect()
            while True:
                self._take(connection, str(connection.recv()))
        except (OSError, ValueError, websocket.WebSocketException) as error:
            if not self._is_leaving:
                tell(lost=f"{type(error).__name__}: {error}")

    def leave(self) -> None:
        """End `listen`."""
        self._is_leaving = True
        if self._connection is not None:
            with contextlib.suppress(OSError):  # it is lost
                self._connection.abort()

    def _connect(self) -> websocket.WebSocket:
        address = f"{self.url}/socket.io/?EIO=4"
        answer = requests.get(f"{address}&transport=polling", timeout=ANSWER_S)
        answer.raise_for_status()
        hello = json.loads(answer.text[1:])
        connection = websocket.create_connection(
            f"{address.replace('http', 'ws', 1)}&transport=websocket&sid={hello['sid']}",
            timeout=ANSWER_S,
        )
        connection.send(f"{engine_packet.PING}probe")
        if connection.recv() != f"{engine_packet.PONG}probe":
            raise ValueError("the server did not answer the probe of a WebSocket")
        connection.send(str(engine_packet.UPGRADE))
        # As long as a browser waits for the next ping.
        connection.settimeout((hello["pingInterval"] + hello["pingTimeout"]) / 1000)
        self._send(connection, messages.CONNECT, namespace="/home")
        self._send(connection, messages.CONNECT, namespace="/jobs")
        return connection

    def _take(self, connection: websocket.WebSocket, received: str) -> None:
        kind = received[:1]
        if kind == str(engine_packet.PING):
            connection.send(str(engine_packet.PONG))
        elif kind == str(engine_packet.MESSAGE):
            self._take_message(connection, messages.Packet(encoded_packet=received[1:]))
        elif kind != str(engine_packet.NOOP):
            raise ValueError(f"the server closed the connection ({received[:80]!r})")

    def _take_message(self, connection: websocket.WebSocket, message: messages.Packet) -> None:
        kind, namespace = message.packet_type, message.namespace
        if kind == messages.CONNECT and namespace == "/jobs":
            join = ["join", {"room": self.job_id}]
            self._send(connection, messages.EVENT, data=join, namespace="/jobs", id=JOIN)
        elif kind == messages.ACK and message.id == JOIN:
            self.is_in_room.set()
        elif kind == messages.EVENT:
            self.messages += 1
            name, data = message.data
            if (namespace, name, data.get("update")) == ("/home", "job update", "attribute"):
                tell(heard=str(data["value"]), at_s=time.monotonic())
        elif kind != messages.CONNECT:
            raise ValueError(f"the server refused {namespace} ({message.data})")

    @staticmethod
    def _send(connection: websocket.WebSocket, kind: int, **named: Any) -> None:
        encoded = messages.Packet(packet_type=kind, **named).encode()
        connection.send(f"{engine_packet.MESSAGE}{encoded}")


if __name__ == "__main__":
    main()
