"""A job's page in the hands of two people: notes, what deleting removes, the log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.server_process import ServerProcess

LONG_SCRIPT_LINES = 3000
# The names that the page has after it was fetched again, each time.
WATCH_NAMES = """
document.addEventListener("digits:refreshed", () => setTimeout(() => {
  const { dataset } = document.body;
  dataset.names = `${dataset.names ?? ""}${document.querySelector("h1").textContent};`;
}));
"""


@pytest.fixture(scope="module")
def dataset(server: ServerProcess, digits: Path) -> str:
    """The id of a dataset that is done."""
    form = {
        "dataset_name": "Digits",
        "folder_train": str(digits / "train"),
        "resize_channels": "1",
        "resize_width": "28",
        "resize_height": "28",
    }
    made = server.post("/datasets/images/classification.json", data=form).json()["id"]
    server.wait_for_status(made, "Done")
    return str(made)


@pytest.fixture(scope="module")
def training(server: ServerProcess, dataset: str) -> str:
    """The id of a model that is learning, and will be for long."""
    form = {
        "model_name": "Endless",
        "dataset": dataset,
        "standard_networks": "lenet",
        "train_epochs": "5000",
        "snapshot_interval": "0",
    }
    made = server.post("/models/images/classification.json", data=form).json()["id"]
    server.wait_for_status(made, "Running")
    return str(made)


def test_notes_are_written_in_place_and_seen_by_others_at_once(
    server: ServerProcess, page: Page, context: BrowserContext, dataset: str
) -> None:
    other = context.new_page()
    other.goto(f"{server.url}/datasets/{dataset}")
    expect(other.get_by_role("button", name="Add notes")).to_be_visible()
    page.goto(f"{server.url}/datasets/{dataset}")
    page.get_by_role("button", name="Add notes").click()
    notes = page.get_by_role("textbox", name="Notes")
    expect(notes).to_be_focused()
    notes.fill("## Why\n\nBecause of **seven**. <script>alert(1)</script>")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("group", name="Preview")).to_contain_text("Because of seven.")
    page.get_by_role("button", name="Keep writing").click()
    notes.press("Control+Enter")
    shown = page.get_by_role("region", name="Notes")
    expect(shown.get_by_role("heading", name="Why")).to_be_visible()
    expect(shown).to_contain_text("<script>alert(1)</script>")
    expect(notes).to_be_hidden()
    expect(other.get_by_role("region", name="Notes")).to_contain_text("Because of seven.")
    other.close()


def test_notes_that_another_one_changed_meanwhile_are_kept_and_so_is_what_was_typed(
    server: ServerProcess, page: Page, dataset: str, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 403")
    server.put(f"/jobs/{dataset}", data={"job_notes": "at first"})
    page.goto(f"{server.url}/datasets/{dataset}")
    page.get_by_role("region", name="Notes").get_by_role("button", name="Edit").click()
    notes = page.get_by_role("textbox", name="Notes")
    notes.fill("mine")
    server.put(f"/jobs/{dataset}", data={"job_notes": "theirs"})
    page.get_by_role("button", name="Save notes").click()
    expect(page.get_by_role("alert")).to_contain_text("Someone else has changed these notes")
    expect(notes).to_have_value("mine")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("region", name="Notes")).to_contain_text("theirs")


def test_a_name_that_came_while_the_page_was_fetched_again_stays(
    server: ServerProcess, page: Page, dataset: str
) -> None:
    url = f"{server.url}/datasets/{dataset}"

    def rename_meanwhile(route: Route) -> None:
        answer = route.fetch()  # with the earlier name
        server.put(f"/jobs/{dataset}", data={"job_name": "Later"})
        expect(page.get_by_role("heading", level=1)).to_have_text("Later")
        route.fulfill(response=answer)

    page.add_init_script(WATCH_NAMES)
    page.goto(url)
    names = page.locator("body")
    expect(names).to_have_attribute("data-names", re.compile("Digits;"))
    page.route(url, rename_meanwhile, times=1)
    server.put(f"/jobs/{dataset}", data={"job_notes": "The page is fetched because of them."})
    expect(names).to_have_attribute("data-names", re.compile("^(Digits;)+(Later;)+$"))
    server.put(f"/jobs/{dataset}", data={"job_name": "Digits"})
    server.put(f"/jobs/{dataset}", data={"job_notes": ""})


def test_before_deleting_the_page_says_what_goes_and_who_needs_it(
    server: ServerProcess, page: Page, dataset: str, training: str
) -> None:
    page.goto(f"{server.url}/datasets/{dataset}")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete “Digits”?")
    expect(dialog.get_by_role("link", name="Endless")).to_be_visible()
    expect(dialog).to_contain_text(re.compile(r"\d+ files, [\d.]+ [KM]B on the disk"))
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    dialog.get_by_role("link", name="Endless").click()
    page.wait_for_url(f"**/models/{training}")  # with its scripts
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete “Endless”?")
    expect(dialog).to_contain_text("stopped first")
    expect(dialog.get_by_role("button", name="Delete")).to_be_enabled()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)


def test_all_settings_stand_on_the_page_and_defaults_are_marked(
    server: ServerProcess, page: Page, training: str
) -> None:
    page.goto(f"{server.url}/models/{training}?tab=settings")
    page.get_by_text(re.compile(r"All \d+ settings")).click()
    settings = page.locator(".settings")
    expect(settings).to_contain_text(re.compile(r"Training epochs\s*5000"))
    expect(settings).to_contain_text(re.compile(r"Base learning rate\s*0\.01\s*\(default\)"))


def test_a_log_follows_the_training_until_the_reader_looks_elsewhere(
    server: ServerProcess, page: Page, training: str
) -> None:
    page.goto(f"{server.url}/models/{training}?tab=log")
    page.get_by_role("link", name="Open the log on its own page").click()
    lines = page.get_by_role("log")
    follow = page.get_by_role("switch", name="Follow")
    expect(follow).to_be_checked()
    count = page.locator(".log-line").count
    expect(lines).to_contain_text("Iteration 1")
    last = page.locator(".log-line").last
    seen = last.text_content() or ""
    expect(last).not_to_have_text(seen)  # more has come
    assert count() > 0
    expect(last).to_be_in_viewport()
    lines.press("g")  # to the beginning, by the keyboard
    expect(follow).not_to_be_checked()
    expect(page.locator(".log-line").first).to_be_in_viewport()


def test_a_log_is_searched_without_being_loaded_whole(
    server: ServerProcess, page: Page, dataset: str
) -> None:
    log = server.jobs_dir / dataset / "create_db_train.log"
    whole = log.read_text()
    numbers = "".join(f"picture {number}\n" for number in range(LONG_SCRIPT_LINES))
    log.write_text(f"{numbers}Error: the first\n{numbers}Error: the last\n{numbers}")
    try:
        page.goto(f"{server.url}/jobs/{dataset}/logs/create_db_train#error")
        found = page.locator(".log-found")
        expect(found).to_have_text("Error: the last")
        expect(found).to_be_in_viewport()
        lines = page.get_by_role("log")
        lines.press("E")
        expect(found).to_have_text("Error: the first")
        lines.press("/")
        search = page.get_by_role("searchbox", name="Search the log")
        expect(search).to_be_focused()
        search.fill("PICTURE 123")
        search.press("Enter")
        expect(found).to_have_text("picture 123")
        expect(found.locator("mark")).to_have_text("picture 123")
        assert page.locator(".log-line").count() < LONG_SCRIPT_LINES
        page.get_by_role("button", name="Next match").click()
        expect(found).to_have_text("picture 1230")
        page.get_by_role("button", name="Previous match").click()
        expect(found).to_have_text("picture 123")
        search.fill("there is no such line")
        search.press("Enter")
        expect(page.get_by_text("“there is no such line” is not in the log.")).to_be_visible()
    finally:
        log.write_text(whole)
