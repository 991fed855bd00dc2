"""The home page's lists: columns as there is room, groups, small curves, times, only one's own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.many_jobs import make_jobs
from digits.jobs.store import JobStore
from digits.kinds import JOB_TYPES
from tests.browser.test_pages import check_by_axe
from tests.security.people import PASSWORD, add_people
from tests.server_process import ServerProcess

JOBS = 60
# The made models with these numbers are in it.
MADE_GROUP = "series 0"
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1920, "height": 1080}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists") / "jobs"
    make_jobs(folder, JOBS)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(folder).start()
    yield running
    running.stop()


def of(page: Page, which: str) -> Locator:
    return page.get_by_role("region", name=which, exact=True)


def row(page: Page, name: str) -> Locator:
    return page.locator(".job-row").filter(has=page.get_by_role("link", name=name, exact=True))


def heads(place: Locator) -> list[str]:
    """The columns that can be seen."""
    shown = place.locator("thead .sort").locator("visible=true")
    return [head.split()[0] for head in shown.all_inner_texts()]


def test_columns_that_there_is_no_room_for_fold_into_the_row(
    server: ServerProcess, page: Page
) -> None:
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.goto(f"{server.url}/?search=29")
    models = of(page, "Models")
    assert heads(models) == [
        "Name",
        "Status",
        "Accuracy",
        "Network",
        "Dataset",
        "Epochs",
        "Size",
        "Created",
        "Duration",
    ]
    last = row(page, "alexnet on flowers 29")
    assert last.locator(".folded").inner_text() == ""
    expect(last.get_by_role("img", name="Curve of accuracy (val)")).to_be_visible()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert heads(models) == ["Name", "Status"]
    expect(last.locator(".folded")).to_contain_text("69.00%")
    expect(last.locator(".folded")).to_contain_text("AlexNet")
    expect(row(page, "flowers 29").locator(".folded")).to_contain_text("9,029 pictures")
    overhang = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overhang <= 0


def test_a_narrow_list_is_sorted_by_columns_that_it_has_no_room_for(
    server: ServerProcess, page: Page
) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(server.url)
    page.get_by_role("button", name="Sort models").click()
    of(page, "Models").get_by_role("link", name="Accuracy").locator("visible=true").click()
    expect(of(page, "Models").locator(".job-name").first).to_have_text("alexnet on flowers 29")
    assert "models_sort=-accuracy" in page.url


def test_jobs_are_put_into_a_group_that_folds_and_out_of_it(
    server: ServerProcess, page: Page
) -> None:
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.goto(server.url)
    names = ["alexnet on flowers 20", "alexnet on flowers 22"]
    for name in names:
        page.get_by_label(f"Select {name}", exact=True).check()
    bar = page.get_by_role("region", name="Selected jobs")
    expect(bar).to_contain_text("2 selected")
    expect(bar.get_by_role("button", name="Ungroup")).to_be_hidden()
    bar.get_by_role("button", name="Group", exact=True).click()
    dialog = page.get_by_role("dialog", name="Group 2 jobs")
    dialog.get_by_label("Name of the group").fill("Learning rates")
    page.keyboard.press("Enter")
    group = page.locator('tbody[data-group="Learning rates"]')
    expect(group.locator(".job-name")).to_have_text(list(reversed(names)))
    fold = group.get_by_role("button", name="Learning rates")
    expect(fold).to_have_attribute("aria-expanded", "true")
    fold.press("Enter")
    expect(group.locator(".job-row").first).to_be_hidden()
    # It stays so, and where the keyboard is, when the list is fetched again.
    other = row(page, "alexnet on flowers 28").get_attribute("data-job")
    assert page.request.put(f"{server.url}/jobs/{other}", form={"job_name": "renamed"}).ok
    expect(row(page, "renamed")).to_be_visible()
    expect(fold).to_be_focused()
    expect(fold).to_have_attribute("aria-expanded", "false")
    page.reload()
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(group.locator(".job-row").first).to_be_hidden()
    check_by_axe(page)
    # Its own page says so, and leads to the others.
    fold.click()
    page.get_by_role("link", name=names[0], exact=True).click()
    page.get_by_role("link", name="Learning rates").click()
    expect(page.locator(".job-row")).to_have_count(2)
    page.get_by_label("Select the group Learning rates").check()
    bar.get_by_role("button", name="Ungroup").click()
    expect(page.get_by_text("2 jobs taken out of their groups.")).to_be_visible()
    page.goto(server.url)
    expect(group).to_have_count(0)
    expect(page.locator(f'tbody[data-group="{MADE_GROUP}"]')).to_have_count(0)  # on a later page


def test_times_are_told_as_long_ago_as_they_are(server: ServerProcess, page: Page) -> None:
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.goto(server.url)
    made = row(page, "flowers 29").locator("time").last
    expect(made).to_have_text(re.compile(r"just now|\d+ min ago"))
    assert str(time.localtime().tm_year) in (made.get_attribute("title") or "")
    ago = "import('/static/js/web/times.js').then((times) => times.ago(%d))"
    for seconds, words in (
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (7199, "1 h ago"),
        (86400, "1 day ago"),
        (2 * 86400, "2 days ago"),
        (8 * 86400, None),
        (-3600, None),
    ):
        assert page.evaluate(ago % seconds) == words


def test_axe_finds_nothing_on_a_phone(server: ServerProcess, page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"{server.url}/?models_sort=name")
    expect(page.locator(f'tbody[data-group="{MADE_GROUP}"]')).to_have_count(1)
    check_by_axe(page)


def test_with_logins_one_may_look_at_ones_own_jobs_alone(tmp_path: Path, page: Page) -> None:
    jobs_dir = tmp_path / "jobs"
    make_jobs(jobs_dir, 8)
    add_people(jobs_dir)
    store = JobStore(jobs_dir, JOB_TYPES)
    for job in store.load_all(()):
        job.owner = "otto" if job.name.endswith("2") else "olga"
        store.save(job)
    running = ServerProcess(jobs_dir).start()
    try:
        page.goto(running.url)
        page.get_by_label("Name").fill("otto")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator(".job-row")).to_have_count(8)
        page.wait_for_load_state()  # its scripts have run
        expect(row(page, "flowers 1")).to_contain_text("by olga")
        page.get_by_label("Only mine").check()
        expect(page.locator(".job-name")).to_have_text(["flowers 2", "alexnet on flowers 2"])
        assert "mine=1" in page.url
        check_by_axe(page)
        page.go_back()
        expect(page.get_by_label("Only mine")).not_to_be_checked()
        expect(page.locator(".job-row")).to_have_count(8)
    finally:
        running.stop()
