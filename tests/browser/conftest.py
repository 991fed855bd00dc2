"""A real Chromium on the real server; a page that says anything on its console fails its test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.browser import chromium
from tests.server_process import ServerProcess

# Ample for a loaded machine: nothing takes this long unless it is broken.
PATIENCE_MS = 120_000
PICTURES_PER_CLASS = 40
HELD_OUT_PER_CLASS = 2
LOG_LINES = 40


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log with a failure."""
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(server, ServerProcess):
        report.sections.append(("server log", "\n".join(server.log[-LOG_LINES:])))
    return report


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """How pytest-playwright starts the browser."""
    return {"executable_path": chromium.PROGRAM, "args": chromium.FLAGS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("browser") / "jobs").start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Handwritten digits: `train/` by class, `held_out/` with the label before the file's name."""
    top = tmp_path_factory.mktemp("digits")
    command = [sys.executable, "-m", "digits.tools.download_data", "digits", str(top / "all")]
    subprocess.run(command, check=True, capture_output=True)
    (top / "held_out").mkdir()
    for folder in sorted(path for path in (top / "all").iterdir() if path.is_dir()):
        pictures = sorted(folder.iterdir())
        for picture in pictures[:HELD_OUT_PER_CLASS]:
            picture.rename(top / "held_out" / f"{folder.name}-{picture.name}")
        (top / "train" / folder.name).mkdir(parents=True)
        for picture in pictures[HELD_OUT_PER_CLASS : HELD_OUT_PER_CLASS + PICTURES_PER_CLASS]:
            shutil.copy(picture, top / "train" / folder.name)
    return top


@pytest.fixture
def expected_complaints() -> list[str]:
    """What Chromium may say in this test, for one that provokes an answer such as 400."""
    return []


@pytest.fixture
def page(page: Page, expected_complaints: list[str]) -> Iterator[Page]:
    """pytest-playwright's page, which must not complain: failed scripts, blocked styles, 404s."""
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("console", lambda message: complaints.extend(complaint(message)))
    yield page
    unexpected = [
        text for text in complaints if not any(words in text for words in expected_complaints)
    ]
    assert unexpected == []


def complaint(message: ConsoleMessage) -> list[str]:
    """A console message as a complaint, where it is one."""
    if message.type not in ("error", "warning"):
        return []
    return [f"{message.type}: {message.text} ({message.location})"]
