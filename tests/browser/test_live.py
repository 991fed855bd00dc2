"""What comes by itself: from the empty home page to a trained model, titles, notifications."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.server_process import ServerProcess

MODEL = "LeNet on handwritten digits (sample)"
DATASET = "Handwritten digits (sample)"
TRAINING_MS = 240_000

# Headless Chromium shows none; what was to be shown is kept.
CATCH_NOTIFICATIONS = """() => {
  class Caught extends EventTarget {
    static permission = "default";
    static async requestPermission() { return (Caught.permission = window.willAnswer); }
    constructor(title, options) {
      super();
      const body = document.body.dataset;
      body.notified = `${body.notified ?? ""}${title} ${options.tag};`;
    }
  }
  window.Notification = Caught;
}"""
# The titles that the tab had, in their order.
WATCH_TITLES = """() => {
  window.titles = [document.title];
  new MutationObserver(() => window.titles.push(document.title))
    .observe(document.head, { subtree: true, childList: true, characterData: true });
}"""


@pytest.mark.slow
def test_from_the_empty_home_page_to_a_model_that_is_taken_away(
    server: ServerProcess, page: Page
) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="Make the sample dataset").click()
    first = page.get_by_role("listitem").filter(has_text="Make a dataset")
    expect(first).to_contain_text(DATASET)
    expect(first.get_by_role("link", name="Open the dataset")).to_be_visible()
    page.get_by_role("link", name="Train LeNet on it").click()
    expect(page.get_by_label("Model name", exact=True)).to_have_value(MODEL)
    expect(page.get_by_role("radio", name="LeNet", exact=True)).to_be_checked()
    page.get_by_label("Training epochs", exact=True).fill("2")
    page.get_by_role("button", name="Create model").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(MODEL)
    page.evaluate(WATCH_TITLES)

    home = page.context.new_page()
    home.goto(server.url)
    expect(home).to_have_title(re.compile(r"^\(1\) Home · DIGITS"), timeout=TRAINING_MS)
    row = home.locator(".job-row").filter(has_text=MODEL)
    expect(row.locator("progress")).to_have_js_property("max", 1)
    expect(row.locator("[data-status-badge]")).to_have_text("Done", timeout=TRAINING_MS)
    expect(home).to_have_title("Home · DIGITS")
    expect(home.get_by_role("link", name="Try it")).to_be_visible()
    home.close()

    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    expect(page).to_have_title(f"{MODEL} · DIGITS")
    titles = page.evaluate("window.titles")
    assert [title for title in titles if re.match(rf"\d+% · {re.escape(MODEL)}", title)], titles
    with page.expect_download() as download:
        page.get_by_role("button", name="Download model").click()
    assert download.value.suggested_filename.endswith(".tar.gz")


def test_the_machine_and_the_queue_move_by_themselves(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    machine = page.get_by_role("region", name="Machine and queue")
    expect(machine.get_by_role("progressbar", name="Memory")).to_be_visible()
    page.evaluate("document.querySelector('[data-meter=cpu] [data-meter-words]').textContent = '?'")
    expect(machine.locator("[data-meter=cpu]")).to_contain_text("core")


def test_a_notification_comes_when_a_job_ends_for_who_wants_it(
    server: ServerProcess, page: Page
) -> None:
    page.add_init_script(f"({CATCH_NOTIFICATIONS})()")
    page.goto(server.url)
    switch = page.get_by_role("switch", name="Notify me when a job ends")
    page.evaluate("window.willAnswer = 'denied'")
    switch.click()
    expect(page.get_by_role("alert").filter(has_text="blocks notifications")).to_be_visible()
    expect(switch).not_to_be_checked()
    page.evaluate("window.willAnswer = 'granted'")
    switch.click()
    expect(switch).to_be_checked()
    assert page.evaluate("localStorage.getItem('digits-notify')") == "on"

    form = {"dataset_name": "Empty", "folder_train": str(server.jobs_dir)}
    job = server.post("/datasets/images/classification.json", data=form).json()
    once = f"Empty has failed digits-{job['id']};"
    expect(page.locator("body")).to_have_attribute("data-notified", once)
    switch.click()
    expect(switch).not_to_be_checked()


def test_an_updated_server_makes_its_old_pages_load_anew(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    page.get_by_role("searchbox").fill("typed")
    page.evaluate("window.notLoadedAgain = true; document.body.dataset.assets = 'earlier'")
    page.get_by_role("searchbox").fill("typed more")
    notice = page.get_by_text("DIGITS was updated")
    expect(notice).to_be_visible()
    assert page.evaluate("window.notLoadedAgain")
    # What is typed is searched after a moment of quiet; taken back before, it would be no change.
    expect(page).to_have_url(re.compile(r"search=typed\+more"))
    page.get_by_role("searchbox").fill("")
    expect(notice).to_have_count(0)
    assert page.evaluate("window.notLoadedAgain") is None
