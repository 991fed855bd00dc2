"""The home page with a few hundred jobs: search, filter, order, pages, ticks, and going back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.many_jobs import make_jobs
from digits.jobs.status import Status, StatusChange
from digits.jobs.store import JobStore
from digits.kinds import JOB_TYPES
from tests.server_process import ServerProcess

JOBS = 300
# Other names for the jobs with these numbers: a search for digits finds ids as well.
RENAMED = {"tulip": range(145, 148), "rose": range(30, 42), "lily": range(121, 124)}
FAILED = "tulip 147"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("many") / "jobs"
    make_jobs(folder, JOBS)
    rename_some(folder)
    running = ServerProcess(folder).start()
    yield running
    running.stop()


def rename_some(folder: Path) -> None:
    """Rename datasets, and models as well; one job is made to fail."""
    store = JobStore(folder, JOB_TYPES)
    for job in store.load_all(()):
        number = int(job.name.split()[-1])
        for name in (name for name, numbers in RENAMED.items() if number in numbers):
            job.name = job.name.replace("flowers", name)
            if job.name == FAILED:
                for owner in (job, *job.tasks):
                    owner.history.changes[-1] = StatusChange(Status.ERROR, owner.history.since_s)
            store.save(job)


def rows(page: Page, which: str = "Datasets") -> Locator:
    return page.get_by_role("region", name=which, exact=True).locator(".job-row")


def names(page: Page, which: str = "Datasets") -> Locator:
    return rows(page, which).locator(".job-name")


def test_search_filter_order_and_page_stand_in_the_address_and_go_back(
    server: ServerProcess, page: Page
) -> None:
    page.goto(server.url)
    page.evaluate("window.notLoadedAgain = true")
    expect(rows(page)).to_have_count(25)
    expect(names(page).first).to_have_text("flowers 149")
    datasets = page.get_by_role("region", name="Datasets", exact=True)

    datasets.get_by_role("link", name="Older").click()
    expect(names(page).first).to_have_text("flowers 124")
    datasets.get_by_role("link", name="Name").click()
    expect(datasets.get_by_text("Page 1 of 6")).to_be_visible()
    expect(names(page).nth(2)).to_have_text("flowers 10")
    search = page.get_by_role("searchbox")
    search.press_sequentially("tulip")
    expect(names(page)).to_have_text(["tulip 145", "tulip 146", "tulip 147"])
    page.get_by_label("Status", exact=True).select_option("Error")
    expect(names(page)).to_have_text([FAILED])
    expect(page.get_by_text("No matching models")).to_be_visible()
    address = page.url
    assert "search=tulip" in address
    assert "status=Error" in address
    assert "datasets_sort=name" in address

    page.go_back()
    expect(search).to_have_value("")
    expect(names(page).nth(2)).to_have_text("flowers 10")
    page.go_back()
    expect(names(page).first).to_have_text("flowers 124")
    page.go_back()
    expect(names(page).first).to_have_text("flowers 149")
    assert page.evaluate("window.notLoadedAgain")
    page.goto(address)
    expect(names(page)).to_have_text([FAILED])
    expect(page.get_by_label("Status", exact=True)).to_have_value("Error")


def test_all_ticked_jobs_are_deleted_and_those_in_use_are_named(
    server: ServerProcess, page: Page
) -> None:
    # Five models need the first one, none the others.
    page.goto(f"{server.url}/?search=tulip&datasets_sort=name")
    for number in (145, 146, 147):
        page.get_by_label(f"Select tulip {number}", exact=True).check()
    bar = page.get_by_role("region", name="Selected jobs")
    expect(bar).to_contain_text("3 selected")
    expect(bar.get_by_role("button", name="Compare")).to_be_disabled()
    bar.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete 3 jobs?")
    expect(dialog).to_contain_text("tulip 145, tulip 146, tulip 147")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert").filter(has_text="tulip 145 is kept")).to_contain_text(
        "alexnet on flowers 149"
    )
    expect(page.get_by_label("Select tulip 146", exact=True)).to_have_count(0)
    expect(page.get_by_label("Select tulip 147", exact=True)).to_have_count(0)
    expect(page.get_by_label("Select tulip 145", exact=True)).not_to_be_checked()
    expect(bar).to_be_hidden()


def test_ticks_stay_when_the_page_is_brought_up_to_date(server: ServerProcess, page: Page) -> None:
    page.goto(f"{server.url}/?search=rose&models_sort=name")
    everything = page.get_by_label("Select all models on this page")
    everything.check()
    # Twelve are called so, the dataset of three others is.
    bar = page.get_by_role("region", name="Selected jobs")
    expect(bar).to_contain_text("15 selected")
    renamed = rows(page, "Models").first.get_attribute("data-job")
    answer = page.request.put(
        f"{server.url}/jobs/{renamed}", form={"job_name": "alexnet on a rose"}
    )
    assert answer.ok
    expect(names(page, "Models").first).to_have_text("alexnet on a rose")
    expect(bar).to_contain_text("15 selected")
    rows(page, "Models").last.get_by_role("checkbox").uncheck()
    expect(everything).to_have_js_property("indeterminate", True)
    expect(bar).to_contain_text("14 selected")
    expect(bar.get_by_role("button", name="Compare")).to_be_enabled()
    bar.get_by_role("button", name="Clear").click()
    expect(bar).to_be_hidden()


def test_everything_works_without_scripts(server: ServerProcess, page: Page) -> None:
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(server.url)
    plain.get_by_role("searchbox").fill("lily")
    plain.get_by_role("button", name="Search").click()
    expect(names(plain).first).to_have_text("lily 123")
    plain.get_by_role("region", name="Datasets", exact=True).get_by_role(
        "link", name="Name"
    ).click()
    expect(names(plain).first).to_have_text("lily 121")
    plain.get_by_label("Select lily 121", exact=True).check()
    plain.get_by_role("button", name="Delete", exact=True).click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Delete 1 job?")
    plain.get_by_role("button", name="Delete").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Home")
    plain.goto(f"{server.url}/?search=lily")
    expect(names(plain)).to_have_text(["lily 123", "lily 122"])
    plain.context.close()
