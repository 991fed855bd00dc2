"""Live connections of pages that have nothing to say outlast the time limits of slow clients."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests
import websocket

from tests.conftest import PATIENCE_S
from tests.server_process import ServerProcess, running_server

pytestmark = pytest.mark.slow

# Far less than engine.io's 25 seconds between two pings.
SETTINGS = {"DIGITS_CLIENT_TIMEOUT_S": "1"}
LIMITS = 3
DEPARTURES = 30
RESET_AT_ONCE = struct.pack("ii", 1, 0)
PATH = "/socket.io/?EIO=4&transport="
PING, PONG, SEPARATOR = "2", "3", "\x1e"
JOIN = '42/jobs,7["join",{"room":"a"}]'
JOINED = "43/jobs,7[]"


@pytest.fixture(scope="module", params=["devserver", "gunicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    jobs_dir = tmp_path_factory.mktemp("live") / "jobs"
    with running_server(request.param, jobs_dir, SETTINGS) as running:
        yield running


def let_limits_pass(server: ServerProcess) -> None:
    """Wait until the server has lost its patience with clients that say nothing, several times."""
    parts = urlsplit(server.url)
    for _ in range(LIMITS):
        with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as silent:
            assert silent.recv(1) == b""


def test_a_websocket_on_which_nothing_is_said_stays(server: ServerProcess) -> None:
    address = server.url.replace("http", "ws", 1) + PATH + "websocket"
    page = websocket.create_connection(address, timeout=PATIENCE_S)
    page.recv()
    page.send("40/jobs,")
    assert page.recv().startswith("40/jobs,")
    let_limits_pass(server)
    page.send(JOIN)
    assert next(message for message in iter(page.recv, "") if message != PING) == JOINED
    page.shutdown()


def test_a_page_that_polls_is_answered_when_there_is_something_to_say(
    server: ServerProcess,
) -> None:
    address = f"{server.url}{PATH}polling"
    hello = json.loads(requests.get(address, timeout=PATIENCE_S).text[1:])
    address += f"&sid={hello['sid']}"

    def say(message: str) -> None:
        requests.post(address, data=message, timeout=PATIENCE_S).raise_for_status()

    def poll() -> str:
        while (answer := requests.get(address, timeout=PATIENCE_S)).text == PING:
            say(PONG)
        return answer.text

    say("40/jobs,")
    assert poll().startswith("40/jobs,")
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(poll)
        let_limits_pass(server)
        assert not answer.done()
        say(JOIN)
        assert JOINED in answer.result().split(SEPARATOR)


def test_a_page_that_is_left_while_it_changes_to_a_websocket_is_no_error(
    server: ServerProcess,
) -> None:
    for _ in range(DEPARTURES):
        hello = json.loads(requests.get(f"{server.url}{PATH}polling", timeout=PATIENCE_S).text[1:])
        address = f"{server.url.replace('http', 'ws', 1)}{PATH}websocket&sid={hello['sid']}"
        page = websocket.create_connection(address, timeout=PATIENCE_S)
        page.send(f"{PING}probe")
        page.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        page.shutdown()
    assert requests.get(f"{server.url}/index.json", timeout=PATIENCE_S).ok
    assert [line for line in server.log if "Error" in line or "Traceback" in line] == []
