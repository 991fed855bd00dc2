"""A package adds a kind of dataset and a kind of model: installed by pip, used in the browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.server_process import ServerProcess

PLUGIN = Path(__file__).parents[1] / "plugin"


class ServerOf(ServerProcess):
    """A server that another Python runs."""

    def __init__(self, python: Path, jobs_dir: Path) -> None:
        super().__init__(jobs_dir)
        self.python = python

    def command(self) -> list[str]:
        return [str(self.python), *super().command()[1:]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with all of this one's packages, and the one in tests/plugin."""
    top = tmp_path_factory.mktemp("added")
    venv.create(top / "venv", symlinks=True)
    python = top / "venv" / "bin" / "python"
    packages = sysconfig.get_path("purelib")
    find = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip()
    Path(own, "all_of_the_other.pth").write_text(f"import site; site.addsitedir({packages!r})\n")
    # A copy: building leaves things behind.
    source = shutil.copytree(PLUGIN, top / "plugin")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *offline, str(source)]
    done = subprocess.run(pip, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return python


@pytest.fixture(scope="module")
def server(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = ServerOf(environment, tmp_path_factory.mktemp("lines") / "jobs").start()
    yield running
    running.stop()


def choose_new(page: Page, which: str, title: str) -> None:
    """Open the form that the menu of one of the home page's lists offers."""
    region = jobs_of(page, which)
    region.get_by_role("button", name=f"New {which[:-1].lower()}").click()
    expect(region.get_by_role("heading", name="Numbers")).to_be_visible()
    region.get_by_role("link", name=title, exact=True).click()


def jobs_of(page: Page, which: str) -> Locator:
    return page.get_by_role("region", name=which, exact=True)


def delete(page: Page, which: str, name: str) -> None:
    """Delete a job by the button in its row."""
    jobs_of(page, which).get_by_role("button", name=f"Delete {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(jobs_of(page, which).get_by_role("link", name=name)).to_have_count(0)


def test_a_dataset_and_a_model_of_added_kinds_are_made_watched_listed_and_deleted(
    server: ServerProcess, page: Page, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    assert not any("left out" in line for line in server.log)
    page.goto(server.url)
    choose_new(page, "Datasets", "Points")
    page.get_by_label("Dataset name").fill("Near a line")
    page.get_by_label("Slope").fill("3")
    page.get_by_label("Points", exact=True).fill("0")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("0 is too small: at least 2.", exact=True)).to_be_visible()
    page.get_by_label("Points", exact=True).fill("2000")
    page.get_by_role("button", name="Create").click()

    status = page.get_by_label("Job status")
    expect(status.locator("[data-job-badge]")).to_have_text("Done")
    expect(page.get_by_role("link", name="points.csv")).to_be_visible()
    page.get_by_text("All 4 settings").click()
    expect(page.locator("#all-settings div").filter(has_text="Slope")).to_contain_text("3.0")

    page.get_by_role("link", name="New model").click()
    expect(page.get_by_label("Dataset", exact=True).locator("option:checked")).to_have_text(
        "Near a line"
    )
    page.get_by_label("Model name").fill("The line")
    page.get_by_role("button", name="Create").click()
    expect(status.locator("[data-job-badge]")).to_have_text("Done")
    expect(page.locator("#line")).to_contain_text(re.compile(r"Slope\s*3\.000"))
    expect(page.locator("#line-dataset")).to_contain_text("2,000")

    page.goto(server.url)
    for which, name in (("Datasets", "Near a line"), ("Models", "The line")):
        row = jobs_of(page, which).locator(".job-row").filter(has_text=name)
        expect(row.locator("[data-status-badge]")).to_have_text("Done")
    jobs_of(page, "Models").get_by_role("link", name="The line").click()
    expect(page.get_by_role("heading", name="The line", level=1)).to_be_visible()
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_label("Model name")).to_have_value("The line copy")

    page.goto(server.url)
    delete(page, "Models", "The line")
    delete(page, "Datasets", "Near a line")
    index = server.get("/index.json").json()
    assert (index["datasets"], index["models"]) == ([], [])


def test_a_model_waits_for_a_dataset_that_is_still_being_made(server: ServerProcess) -> None:
    points = {"dataset_name": "Many", "count": 100_000}
    dataset = server.post("/datasets/points.json", json=points).json()
    line = {"dataset": dataset["id"], "model_name": "After it", "epochs": 3}
    model = server.post("/models/line.json", json=line).json()
    server.wait_for_status(model["id"], "Done")
    assert server.get(f"/jobs/{dataset['id']}/status").json()["status"] == "Done"


def test_what_was_made_is_there_when_the_server_comes_again(
    server: ServerProcess, page: Page
) -> None:
    made = server.post("/datasets/points.json", json={"dataset_name": "To stay"}).json()
    server.wait_for_status(made["id"], "Done")
    server.stop()
    server.start()
    page.goto(f"{server.url}/jobs/{made['id']}")
    expect(page.get_by_role("heading", name="To stay", level=1)).to_be_visible()
    expect(page.get_by_label("Job status").locator("[data-job-badge]")).to_have_text("Done")
