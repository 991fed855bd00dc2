"""Clients that are slow, many or greedy: the server's memory stays small, and others are served."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests
import websocket

from digits.web import socket_limits
from tests.conftest import PATIENCE_S, wait_until
from tests.server_process import ProductionServer, ServerProcess, running_server

pytestmark = pytest.mark.slow

CLIENT_TIMEOUT_S = 8
SLOW_CLIENTS = 120
# Of the server for production; the other one, which is slower, gets a tenth of them, and a tenth of
# both comes when a run is to be quick.
JOINS = 100_000
FORMS = 10_000
MEGABYTE = 1 << 20
MOST_GROWTH_MB = 60
SETTINGS = {"DIGITS_CLIENT_TIMEOUT_S": str(CLIENT_TIMEOUT_S)}
UPLOAD = "/datasets/images/classification.json"


@pytest.fixture(scope="module", params=["devserver", "gunicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    jobs_dir = tmp_path_factory.mktemp("abuse") / "jobs"
    with running_server(request.param, jobs_dir, SETTINGS) as running:
        yield running


def memory(server: ServerProcess) -> int:
    """The resident memory of the process that serves."""
    is_gunicorn = isinstance(server, ProductionServer)
    pid = server.worker_pid() if is_gunicorn else server.process.pid  # type: ignore[attr-defined]
    return int(psutil.Process(pid).memory_info().rss)


@contextlib.contextmanager
def little_growth(server: ServerProcess) -> Iterator[None]:
    """Fail when the server's memory is much larger after the block, or during it."""
    before = most = memory(server)
    ended = threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.2):
            most = max(most, memory(server))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
    most = max(most, memory(server))
    assert (most - before) / MEGABYTE < MOST_GROWTH_MB


def share(server: ServerProcess, count: int) -> range:
    """As many of `count` as this server is to bear."""
    return range(count if isinstance(server, ProductionServer) else count // 10)


def connect(server: ServerProcess) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has ended a connection; what it said before is taken."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def test_slow_headers_and_half_open_uploads_are_ended_while_others_are_served(
    server: ServerProcess,
) -> None:
    headers = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    upload = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
        "boundary=b\r\nContent-Length: 2000000000\r\n\r\n--b\r\nContent-Disposition: form-data; "
        'name="archive_file"; filename="x.zip"\r\n\r\n'
    ).encode()
    with contextlib.ExitStack() as stack, little_growth(server):
        slow = [stack.enter_context(connect(server)) for _ in range(SLOW_CLIENTS)]
        half_open = [stack.enter_context(connect(server)) for _ in range(SLOW_CLIENTS)]
        for connection in slow:
            connection.sendall(headers)
        for connection in half_open:
            connection.sendall(upload + bytes(100_000))
        assert server.get("/").status_code == 200

        def all_are_closed() -> bool:
            # A byte now and then, which would start the time anew if only silence were counted.
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.send(b"x")
            time.sleep(0.5)
            return all(is_closed(connection) for connection in [*slow, *half_open])

        wait_until(all_are_closed, 2 * PATIENCE_S)
        assert server.get("/").status_code == 200
    assert not any("Traceback" in line for line in server.log)


def page(server: ServerProcess, **options: Any) -> websocket.WebSocket:
    """A WebSocket in the namespace of jobs' pages."""
    address = server.url.replace("http", "ws", 1)
    made = websocket.create_connection(
        f"{address}/socket.io/?EIO=4&transport=websocket", timeout=PATIENCE_S, **options
    )
    made.recv()
    made.send("40/jobs,")
    assert made.recv().startswith("40/jobs,")
    return made


def join_is_answered(client: websocket.WebSocket, number: int) -> bool:
    """Whether the server answers a page that joins a room."""
    client.send(f"42/jobs,{number}" + json.dumps(["join", {"room": "20200101-000000-000000"}]))
    while not (answer := str(client.recv())).startswith("43/jobs,"):
        if answer == "2":
            client.send("3")
    return answer == f"43/jobs,{number}[]"


def frame(text: bytes) -> bytes:
    """A WebSocket message as a client sends it; the mask is zero, so it stands as it is."""
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


@pytest.mark.parametrize("most", [JOINS // 10, pytest.param(JOINS, marks=pytest.mark.slow)])
def test_a_flood_of_joins_takes_no_memory_and_holds_up_nobody(
    server: ServerProcess, most: int
) -> None:
    client, other = page(server), page(server)
    try:
        with little_growth(server):
            joins = share(server, most)
            pong_every = len(joins) // 20  # or the server would think on a slow machine it had gone
            flood = b"".join(
                frame(b'42/jobs,["join",{"room":"%d"}]' % n) + frame(b"3") * (n % pong_every == 0)
                for n in joins
            )
            client.sock.settimeout(4 * PATIENCE_S)
            sending = threading.Thread(target=client.sock.sendall, args=(flood,))
            sending.start()
            answered = 0
            while sending.is_alive():
                assert server.get("/healthz").status_code == 200
                assert join_is_answered(other, answered)
                answered += 1
            sending.join()
            assert join_is_answered(client, 77)  # everything before has been taken
    finally:
        client.shutdown()
        other.shutdown()


def test_a_message_that_no_page_sends_ends_its_connection(server: ServerProcess) -> None:
    with little_growth(server):
        greedy = page(server)
        try:
            with contextlib.suppress(OSError):
                greedy.send("42/jobs," + "x" * 20 * MEGABYTE)
            assert ends(greedy)
        finally:
            greedy.shutdown()
    assert server.get("/").status_code == 200


def ends(client: websocket.WebSocket) -> bool:
    """Whether the server closes a WebSocket."""
    try:
        while client.recv():
            pass
    except (OSError, websocket.WebSocketException):
        pass
    return True


def test_one_address_has_a_bounded_number_of_live_connections(server: ServerProcess) -> None:
    address = f"{server.url}/socket.io/?EIO=4&transport=polling"
    with requests.Session() as session, little_growth(server):
        session.headers["X-Forwarded-For"] = "203.0.113.7"  # as nginx says it
        codes = [
            session.get(address, timeout=PATIENCE_S).status_code
            for _ in range(socket_limits.MOST_PER_ADDRESS + 20)
        ]
    assert codes.count(200) == socket_limits.MOST_PER_ADDRESS
    assert set(codes[socket_limits.MOST_PER_ADDRESS :]) == {401}
    other = requests.get(address, headers={"X-Forwarded-For": "203.0.113.8"}, timeout=PATIENCE_S)
    assert other.status_code == 200


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_small_forms_leave_nothing_behind(server: ServerProcess) -> None:
    with requests.Session() as session, little_growth(server):
        for _ in share(server, FORMS):
            answer = session.post(f"{server.url}{UPLOAD}", data={"dataset_name": ""}, timeout=60)
            assert answer.status_code == 400
    assert [name for name in os.listdir(server.jobs_dir) if not name.startswith(".")] == []
