"""A page that stays open while the server restarts shows the present state afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.server_process import ServerProcess


class Restartable:
    """A server on one address that can be stopped and started again."""

    def __init__(self, jobs_dir: Path) -> None:
        self.jobs_dir = jobs_dir
        self.server = ServerProcess(jobs_dir).start()
        self.url = self.server.url
        self.runs = True

    def stop(self) -> None:
        if self.runs:
            self.server.stop()
            self.runs = False

    def start(self) -> None:
        port = urlsplit(self.url).port
        self.server = ServerProcess(self.jobs_dir, "--port", str(port)).start()
        self.runs = True


@pytest.fixture
def restartable(tmp_path: Path) -> Iterator[Restartable]:
    made = Restartable(tmp_path / "jobs")
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["the job's page", "home"])
def test_an_open_page_reconnects_and_shows_what_it_missed(
    restartable: Restartable,
    page: Page,
    digits: Path,
    expected_complaints: list[str],
    where: str,
) -> None:
    # What Chromium says of a server that is not there, and of requests that its end cut off.
    expected_complaints += ["ERR_CONNECTION", "WebSocket connection", "ERR_EMPTY_RESPONSE"]
    expected_complaints += ["status of 500", "status of 503"]
    # And of a session of the ending server that was continued at the new one.
    expected_complaints += ["status of 400"]
    form = {"dataset_name": "Before", "folder_train": str(digits / "train"), "resize_width": "28"}
    made = restartable.server.post("/datasets/images/classification.json", data=form).json()
    restartable.server.wait_for_status(made["id"], "Done")
    page.goto(restartable.url + ("/" if where == "home" else f"/datasets/{made['id']}"))
    shown = page.get_by_text("Before", exact=True)
    expect(shown).to_be_visible()
    page.evaluate("window.notLoadedAgain = true")
    lost = page.get_by_text("Connection lost")
    expect(lost).to_be_hidden()

    restartable.stop()
    expect(lost).to_be_visible()
    rename_on_disk(Path(made["directory"]) / "job.json", "After")
    restartable.start()

    expect(page.get_by_text("After", exact=True)).to_be_visible()
    expect(lost).to_be_hidden()
    assert page.evaluate("window.notLoadedAgain")


def rename_on_disk(path: Path, name: str) -> None:
    """What somebody else may have done while the server was down."""
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": name}))
