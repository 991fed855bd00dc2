"""Error pages lead back to what was typed; a server that starts says so and goes on by itself."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from werkzeug.serving import make_server

from digits.accounts.accounts import Accounts
from digits.config import Config
from digits.inference.pool import Pool, PoolSettings
from digits.jobs.launcher import LocalLauncher
from digits.jobs.resources import Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.store import JobStore
from digits.kinds import JOB_TYPES
from digits.web.policies import Policies
from digits.webapp import create_app
from tests.browser.test_pages import AXE
from tests.server_process import ServerProcess

LIMIT_MB = 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that takes small uploads alone."""
    jobs_dir = tmp_path_factory.mktemp("errors") / "jobs"
    limit = {"DIGITS_MAX_UPLOAD_MB": str(LIMIT_MB)}
    running = ServerProcess(jobs_dir, environment=limit).start()
    yield running
    running.stop()


@pytest.fixture
def starting(jobs_dir: Path) -> Iterator[tuple[str, Scheduler]]:
    """The address of a server whose jobs are read when the test says so."""
    config = Config(jobs_dir=jobs_dir)
    policies = Policies(config, Accounts(jobs_dir))
    scheduler = Scheduler(
        JobStore(jobs_dir, JOB_TYPES),
        Resources.of(),
        LocalLauncher(),
        environment=policies.environment,
        grace_s=2,
    )
    scheduler.open()
    pool = Pool(PoolSettings(workers=1))
    app = create_app(config, scheduler, pool, policies)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}", scheduler
    server.shutdown()
    serving.join()
    server.server_close()
    pool.close()
    scheduler.stop(keep_tasks=False)


def test_what_is_too_large_is_said_and_the_form_is_as_it_was(
    server: ServerProcess, page: Page, tmp_path: Path, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 413")
    large = tmp_path / "train.txt"
    large.write_bytes(b"a.png 0\n" * (LIMIT_MB * 2**20 // 4))
    page.goto(f"{server.url}/datasets/images/classification/new")
    page.get_by_role("radio", name="Use text files").check()
    page.get_by_label("Dataset name", exact=True).fill("Typed by hand")
    page.get_by_label("Width", exact=True).fill("77")
    page.locator("input[name=textfile_train_images]").set_input_files(large)
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("That is too large")
    expect(page.get_by_text("max_upload_mb")).to_be_visible()
    page.get_by_role("button", name="Back to the form").click()
    expect(page.get_by_label("Dataset name", exact=True)).to_have_value("Typed by hand")
    expect(page.get_by_label("Width", exact=True)).to_have_value("77")
    expect(page.get_by_role("radio", name="Use text files")).to_be_checked()


def test_a_page_of_a_server_that_starts_goes_on_when_the_jobs_are_there(
    starting: tuple[str, Scheduler], page: Page, expected_complaints: list[str]
) -> None:
    # WebSockets are not spoken by the server of this test.
    expected_complaints += ["status of 503", "WebSocket", "status of 500", "ERR_"]
    url, scheduler = starting
    page.goto(f"{url}/?search=kept")
    expect(page.get_by_role("heading", level=1)).to_have_text("DIGITS is starting")
    page.evaluate(AXE.read_text())
    assert page.evaluate("axe.run().then((found) => found.violations.map((v) => v.help))") == []
    scheduler.load()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    expect(page.get_by_role("searchbox")).to_have_value("kept")
    page.goto("about:blank")  # it lets go of the server


def test_an_open_page_asks_again_when_the_server_is_still_starting(
    server: ServerProcess, page: Page, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 503")
    page.goto(f"{server.url}/?search=one")
    times: list[str] = []

    def start_slowly(route: Route) -> None:
        times.append(route.request.url)
        if len(times) == 1:
            route.fulfill(status=503, headers={"Retry-After": "1"}, body="starting")
        else:
            route.continue_()

    page.route(re.compile(r"search=two"), start_slowly)
    with page.expect_response(lambda answer: "search=two" in answer.url and answer.ok):
        page.get_by_role("searchbox").fill("two")
    assert len(times) >= 2
