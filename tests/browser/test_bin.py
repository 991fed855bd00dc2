"""Jobs deleted by mistake: undone at once, or found in the bin, by mouse and keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.many_jobs import make_jobs
from tests.browser.test_pages import check_by_axe
from tests.server_process import ServerProcess

JOBS = 12  # six datasets and six models; five models need the first dataset


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("bin") / "jobs"
    make_jobs(folder, JOBS)
    running = ServerProcess(folder).start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def nothing_is_deleted(server: ServerProcess) -> Iterator[None]:
    yield
    ids = [job["key"] for job in server.get("/bin.json").json()["jobs"]]
    if ids:
        server.post("/bin/restore.json", data={"ids": ids})


def id_of(server: ServerProcess, name: str) -> str:
    found = server.get("/index.json").json()
    return next(job["id"] for job in found["models"] + found["datasets"] if job["name"] == name)


def message(page: Page, text: str) -> Locator:
    return page.get_by_role("status").filter(has_text=text)


def names(page: Page) -> Locator:
    return page.locator(".job-name")


def test_a_row_that_was_deleted_comes_back_by_undo(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    name = "alexnet on flowers 3"
    page.get_by_role("button", name=f"Delete {name}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile("can be restored from the bin until .*202"))
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name=re.compile(r"Bin \(1"))).to_be_visible()
    undo = message(page, f"“{name}” is deleted.").get_by_role("button", name="Undo")
    undo.focus()  # the message stays as long as its button has the focus
    check_by_axe(page)
    undo.click()
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=re.compile(r"Bin \("))).to_have_count(0)


def test_ticked_jobs_come_back_by_undo(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    for number in (2, 4):
        page.get_by_label(f"Select alexnet on flowers {number}", exact=True).check()
    page.get_by_role("region", name="Selected jobs").get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete 2 jobs?")
    expect(dialog).to_contain_text("They can be restored from the bin for 7 days.")
    dialog.get_by_role("button", name="Delete").click()
    message(page, "2 jobs deleted.").get_by_role("button", name="Undo").click()
    expect(message(page, "2 jobs restored.")).to_be_visible()
    for number in (2, 4):
        name = f"alexnet on flowers {number}"
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_after_a_job_s_own_page_the_home_page_offers_to_undo(
    server: ServerProcess, page: Page
) -> None:
    name = "alexnet on flowers 1"
    page.goto(f"{server.url}/jobs/{id_of(server, name)}")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{server.url}/")
    undo = message(page, f"“{name}” is deleted.").get_by_role("button", name="Undo")
    undo.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_the_bin_restores_one_and_removes_the_rest(
    server: ServerProcess, page: Page, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 404")  # these datasets have no pictures
    dataset, model = id_of(server, "flowers 5"), id_of(server, "alexnet on flowers 5")
    server.post("/jobs/delete.json", data={"ids": [dataset, model]})
    page.goto(server.url)
    page.get_by_role("link", name=re.compile(r"Bin \(2")).click()
    expect(names(page)).to_have_text(["flowers 5", "alexnet on flowers 5"])
    expect(
        page.get_by_text(re.compile(r"It needs flowers 5, which is\s+also in the bin"))
    ).to_be_visible()
    check_by_axe(page)
    page.get_by_role("button", name="Restore alexnet on flowers 5").click()
    expect(names(page)).to_have_text(["flowers 5"])
    message(page, "was restored").get_by_role("button", name="Open").click()
    page.wait_for_url(f"**/models/{model}")
    expect(page.get_by_text("flowers 5 is in the bin.")).to_be_visible()
    check_by_axe(page)
    page.get_by_role("button", name="Restore it").click()
    page.wait_for_url(f"**/datasets/{dataset}")
    server.post("/jobs/delete.json", data={"ids": [dataset, model]})
    page.goto(f"{server.url}/bin")
    page.get_by_role("button", name="Delete alexnet on flowers 5 for good").click()
    dialog = page.get_by_role("dialog", name="Delete “alexnet on flowers 5” for good?")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(names(page)).to_have_text(["flowers 5"])
    page.get_by_role("button", name="Empty the bin").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The bin is empty")).to_be_visible()
    expect(page.get_by_role("button", name="Empty the bin")).to_have_count(0)


def test_the_bin_works_without_scripts(server: ServerProcess, page: Page) -> None:
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(server.url)
    plain.get_by_label("Select alexnet on flowers 3", exact=True).check()
    plain.get_by_role("button", name="Delete", exact=True).click()
    expect(plain.get_by_text("They can be restored from the bin until")).to_be_visible()
    plain.get_by_role("button", name="Delete").click()
    plain.get_by_role("button", name="Undo").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("alexnet on flowers 3")
    server.post("/jobs/delete.json", data={"ids": plain.url.rsplit("/", 1)[1]})
    plain.goto(f"{server.url}/bin")
    plain.get_by_role("button", name="Delete alexnet on flowers 3 for good").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Delete 1 job for good?")
    plain.get_by_role("link", name="To the bin").click()
    plain.get_by_role("button", name="Restore alexnet on flowers 3").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("alexnet on flowers 3")
    plain.context.close()
