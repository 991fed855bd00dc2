"""Pages below a prefix, behind a real nginx, with live messages over a WebSocket."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, WebSocket, expect

from tests.conftest import wait_until
from tests.nginx import Site, open_to_nginx, running_site
from tests.server_process import ProductionServer

PREFIX = "/lab/digits"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("behind-nginx")
    open_to_nginx(folder, tmp_path_factory.getbasetemp())
    server = ProductionServer(folder / "jobs", {"DIGITS_URL_PREFIX": PREFIX})
    server.start()
    server.get("/healthz")
    with running_site(folder, server, prefix=PREFIX) as running:
        yield running
    server.stop()


@pytest.fixture
def expected_complaints() -> list[str]:
    # While the server is loaded anew the page's connection breaks, and it says so.
    return ["WebSocket connection", *(f"status of {code}" for code in (400, 502, 503, 504))]


def make_dataset(site: Site, name: str) -> None:
    form = {"dataset_name": name, "folder_train": str(site.server.jobs_dir)}
    address = f"{site.url}/datasets/images/classification.json"
    answer = requests.post(address, data=form, timeout=60)
    assert answer.status_code == 200, answer.text


def test_a_page_is_told_of_new_jobs_also_after_a_reload_of_the_server(
    page: Page, site: Site
) -> None:
    sockets: list[WebSocket] = []
    page.on("websocket", lambda opened: sockets.append(opened))
    page.goto(f"{site.url}/")
    wait_until(lambda: page.evaluate("document.readyState") == "complete" and sockets)
    assert sockets[0].url.startswith(f"{site.url.replace('http', 'ws', 1)}/socket.io/")
    expect(page.locator("[data-connection]").first).to_be_hidden()
    make_dataset(site, "Told over a WebSocket")
    expect(page.get_by_text("Told over a WebSocket").first).to_be_visible()
    server = site.server
    assert isinstance(server, ProductionServer)
    before = server.worker_pid()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.worker_pid() != before)
    wait_until(lambda: page.evaluate("1") and len(sockets) >= 2)
    make_dataset(site, "Told by the next worker")
    expect(page.get_by_text("Told by the next worker").first).to_be_visible()


def test_links_and_scripts_work_below_the_prefix(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.goto(f"{site.url}/datasets/images/classification/new")
    page.get_by_role("link", name="DIGITS").first.click()
    expect(page).to_have_url(f"{site.url}/")
