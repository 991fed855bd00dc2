"""The main job as a user does it: from the empty home page to a named picture, by mouse and keys.

The tests of this module follow each other on one server; each starts where the one before it ended.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.jobs import graph_words, job_badge, open_job
from tests.server_process import ServerProcess

SIDE = 600
DATASET_NAME = "Handwritten digits"
MODEL_NAME = "LeNet on digits"
EPOCHS = 8
TRAINING_MS = 240_000

# Notes what each page goes through from its beginning: its bars' values, its titles, what its graph
# says of itself.
WATCH = """
  window.seen = { bars: [], titles: [], curves: [] };
  const add = (list, value) => value !== undefined && list.at(-1) !== value && list.push(value);
  new MutationObserver(() => {
    for (const bar of document.querySelectorAll("[data-task] progress")) {
      add(window.seen.bars, bar.value);
    }
    add(window.seen.titles, document.title);
    const words = document.querySelector("[data-graph='combined_graph'] [data-graph-words]");
    add(window.seen.curves, words?.textContent || undefined);
  }).observe(document, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["value"],
  });
"""


def test_the_empty_home_page_says_how_to_begin(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Three steps to a first model")).to_be_visible()
    page.get_by_role("link", name="New dataset").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New Image Classification Dataset")


def test_a_dataset_is_made_while_its_bars_move(
    server: ServerProcess, page: Page, digits: Path
) -> None:
    page.goto(f"{server.url}/datasets/images/classification/new")
    page.get_by_label("Picture type", exact=True).select_option(label="Grayscale")
    # Large pictures, so that there is time to watch.
    page.get_by_label("Width", exact=True).fill(str(SIDE))
    page.get_by_label("Height", exact=True).fill(str(SIDE))
    folder = page.get_by_role("combobox", name="Training pictures")
    folder.press_sequentially(str(digits / "tra"))
    expect(page.get_by_role("option", name=f"{digits}/train")).to_be_visible()
    folder.press("ArrowDown")
    folder.press("Enter")
    expect(folder).to_have_value(re.compile(rf"^{digits}/train/?$"))
    page.get_by_label("Dataset name", exact=True).fill(DATASET_NAME)
    page.add_init_script(WATCH)
    page.get_by_role("button", name="Create dataset").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(DATASET_NAME)
    page.evaluate("window.notLoadedAgain = true")
    expect(job_badge(page)).to_have_text("Done")
    assert page.evaluate("window.notLoadedAgain")
    bars = page.evaluate("window.seen.bars")
    assert [value for value in bars if 0 < value < 1], "no bar moved between its ends"
    mean = page.get_by_role("img", name="The mean of the training pictures")
    expect(mean).to_have_js_property("naturalWidth", SIDE)
    words = graph_words(page, "Training set")
    expect(words).to_contain_text(re.compile(r"0 \d+, "))
    assert len(re.findall(r"\d \d+[,.]", words.text_content() or "")) == 10
    expect(page.get_by_role("button", name="Abort")).to_be_hidden()


def test_a_model_learns_while_its_graph_grows(server: ServerProcess, page: Page) -> None:
    make_small_dataset(server, page)
    page.goto(server.url)
    page.get_by_role("button", name="New model").click()
    page.get_by_role("link", name="Classification", exact=True).click()
    page.wait_for_url("**/models/images/classification/new")
    page.get_by_label("Dataset", exact=True).select_option(label="Small digits")
    expect(page.get_by_role("link", name="Small digits")).to_be_visible()
    expect(page.locator("[data-dataset-summary]")).to_contain_text("28 × 28")
    page.get_by_role("radio", name="LeNet", exact=True).check()
    page.get_by_label("Training epochs", exact=True).fill(str(EPOCHS))
    page.get_by_text("More options").click()
    page.get_by_label("Random seed", exact=True).fill("1")
    page.get_by_label("Model name", exact=True).fill(MODEL_NAME)
    page.add_init_script(WATCH)
    page.get_by_role("button", name="Create model").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(MODEL_NAME)
    page.evaluate("window.notLoadedAgain = true")
    expect(job_badge(page)).to_have_text("Done", timeout=TRAINING_MS)
    assert page.evaluate("window.notLoadedAgain")

    seen = page.evaluate("window.seen")
    points = [int(re.findall(r"(\d+) points", words)[0]) for words in seen["curves"]]
    assert len(points) > 2, "the curve did not grow"
    assert points[0] < points[-1]
    assert [value for value in seen["bars"] if 0 < value < 1]
    assert [title for title in seen["titles"] if re.match(r"[1-9]\d?% ", title)]
    expect(page).to_have_title(f"{MODEL_NAME} · DIGITS")
    snapshot = page.get_by_role("region", name="Try it").get_by_label("Snapshot", exact=True)
    expect(snapshot).to_have_value(str(EPOCHS))
    snapshots = snapshot.locator("option")
    each = [re.compile(rf"^Epoch #{epoch} · \d+\.\d\d%") for epoch in range(EPOCHS, 0, -1)]
    expect(snapshots).to_have_text([re.compile(r"^Best: epoch \d, \d+\.\d\d%$"), *each])
    expect(snapshots.nth(1)).to_contain_text("last")
    page.get_by_role("link", name="Settings", exact=True).click()
    expect(page.locator("[data-graph='lr_graph'] canvas")).to_be_visible()


def test_an_uploaded_picture_is_named(server: ServerProcess, page: Page, digits: Path) -> None:
    open_job(server, page, MODEL_NAME)
    named_right = 0
    pictures = sorted((digits / "held_out").iterdir())
    for picture in pictures:
        page.get_by_label("Upload picture", exact=True).set_input_files(picture)
        page.get_by_role("button", name="Classify one").click()
        expect(page.locator("[data-classification] [data-name]")).to_have_text(picture.name)
        best = page.get_by_role("list", name="Predictions").get_by_role("listitem").first
        named_right += best.inner_text().split()[1] == picture.name.split("-")[0]
    assert named_right >= 0.8 * len(pictures)


def test_the_model_is_taken_away_as_an_archive(server: ServerProcess, page: Page) -> None:
    open_job(server, page, MODEL_NAME)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download model").click()
    assert re.fullmatch(rf".*_epoch_{EPOCHS}\.tar\.gz", download.value.suggested_filename)


def test_a_dataset_in_use_is_kept_and_the_reason_shown(server: ServerProcess, page: Page) -> None:
    open_job(server, page, "Small digits")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    # The dialog asks the server first: a click before its answer would be refused as well.
    expect(dialog.get_by_role("link", name=MODEL_NAME)).to_be_visible()
    expect(dialog.get_by_role("button", name="Delete")).to_be_disabled()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Small digits")


def test_deleted_jobs_leave_the_home_page_of_everybody(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    row = page.get_by_role("row").filter(has_text=DATASET_NAME)
    expect(row).to_be_visible()
    elsewhere = page.context.new_page()
    elsewhere.goto(server.url)
    elsewhere.get_by_role("button", name=f"Delete {DATASET_NAME}").click()
    elsewhere.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def make_small_dataset(server: ServerProcess, page: Page) -> None:
    """A dataset of 28x28 pictures, from the same folder as the large one."""
    open_job(server, page, DATASET_NAME)
    page.get_by_role("link", name="Clone").click()
    page.wait_for_url("**/new?clone=*")
    page.get_by_label("Width", exact=True).fill("28")
    page.get_by_label("Height", exact=True).fill("28")
    page.get_by_label("Dataset name", exact=True).fill("Small digits")
    page.get_by_role("button", name="Create dataset").click()
    expect(job_badge(page)).to_have_text("Done")
