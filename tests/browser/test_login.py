"""Logins in a real browser, against a real server: by keyboard, live pages, the way out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.test_pages import AXE
from tests.security.people import PASSWORD, add_people, bearer
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    jobs_dir = tmp_path_factory.mktemp("login") / "jobs"
    return {"jobs_dir": str(jobs_dir), **add_people(jobs_dir)}


@pytest.fixture(scope="module")
def server(tokens: dict[str, str]) -> Iterator[ServerProcess]:
    running = ServerProcess(Path(tokens["jobs_dir"])).start()
    yield running
    running.stop()


@pytest.fixture
def expected_complaints() -> list[str]:
    return ["401"]  # a wrong password


def test_somebody_logs_in_sees_live_pages_and_logs_out(
    page: Page, server: ServerProcess, tokens: dict[str, str]
) -> None:
    page.goto(f"{server.url}/?search=sample")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.get_by_role("button", name="New")).to_have_count(0)
    assert page.evaluate("document.activeElement.name") == "name"
    page.keyboard.type("otto")
    page.keyboard.press("Tab")
    page.keyboard.type("not his password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    assert page.get_by_label("Name").input_value() == "otto"
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    # To where the way was when the login came in between.
    page.wait_for_url(f"{server.url}/?search=sample")
    expect(page.get_by_role("button", name="Account of otto")).to_be_visible()
    page.goto(server.url)
    # Somebody else's job appears by itself, and can be looked at but not deleted.
    name = make_dataset(server, tokens, "Olga's pictures")
    page.locator("#datasets-list").get_by_role("link", name=name).click()
    expect(page.get_by_text("by olga")).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    page.get_by_role("button", name="Account of otto").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.evaluate(AXE.read_text())
    assert page.evaluate("axe.run().then((all) => all.violations.map((v) => v.help))") == []


def test_a_login_that_ends_under_an_open_page_is_said_there_and_the_page_goes_on_after_the_next(
    page: Page, server: ServerProcess, tokens: dict[str, str], expected_complaints: list[str]
) -> None:
    # The server closes a connection that perhaps has not become a WebSocket yet.
    expected_complaints.append("/socket.io/")
    log_in(page, server)
    page.goto(server.url)
    expect(page.locator("[data-connection]")).to_be_hidden()
    elsewhere = page.context.new_page()
    elsewhere.goto(server.url)
    elsewhere.get_by_role("button", name="Account of otto").click()
    elsewhere.get_by_role("button", name="Log out").click()
    notice = page.locator("[data-login-ended]")
    expect(notice).to_contain_text("Your login has ended")
    page.evaluate(AXE.read_text())
    assert page.evaluate("axe.run().then((all) => all.violations.map((v) => v.help))") == []
    with page.context.expect_page() as opened:
        notice.get_by_role("link", name="Log in again").click()
    log_in(opened.value, server)
    # In a browser without a window every tab has the focus always: it gets no event.
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(notice).to_have_count(0)
    expect(page.locator("[data-connection]")).to_be_hidden()
    name = make_dataset(server, tokens, "After the login")
    expect(page.locator("#datasets-list").get_by_role("link", name=name)).to_be_visible()


def log_in(page: Page, server: ServerProcess) -> None:
    page.goto(f"{server.url}/login")
    page.get_by_label("Name").fill("otto")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Account of otto")).to_be_visible()


def make_dataset(server: ServerProcess, tokens: dict[str, str], name: str) -> str:
    """A job of somebody else's; answers its name."""
    folder = Path(tokens["jobs_dir"], "pictures")
    folder.mkdir(exist_ok=True)
    made = requests.post(
        f"{server.url}/datasets/images/classification.json",
        data={"dataset_name": name, "folder_train": str(folder)},
        headers=bearer(tokens["olga"]),
        timeout=60,
    )
    assert made.status_code == 200, made.text
    return name
