"""The main job as a user does it: from the empty home page to a named picture, by mouse and keys.

The tests of this module follow each other on one server; each starts where the one before it ended.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.graphs import changed
from tests.server_process import ServerProcess

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SIDE = 1000
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


def test_the_form_shows_what_the_resizing_does(server: ServerProcess, page: Page) -> None:
    page.goto(f"{server.url}/datasets/images/classification/new")
    example = page.get_by_role("img", name="The example picture, 256 pixels wide and 256 high")
    expect(example).to_be_visible()
    squashed = example.get_attribute("src")
    page.get_by_text("More options").click()
    page.get_by_label("Resize transformation", exact=True).select_option("fill")
    expect(example).not_to_have_attribute("src", squashed or "")
    page.get_by_label("Width", exact=True).fill("64")
    expect(page.get_by_role("img", name=re.compile("64 pixels wide"))).to_be_visible()


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
    mean = page.get_by_role("img", name="The mean of the training images")
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
    expect(page.locator("[data-dataset-summary]")).to_contain_text("28x28")
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
    expect(page.get_by_label("Snapshot", exact=True)).to_have_value(str(EPOCHS))
    snapshots = page.get_by_label("Snapshot", exact=True).locator("option")
    each = [re.compile(rf"^Epoch #{epoch} · \d+\.\d\d%") for epoch in range(EPOCHS, 0, -1)]
    expect(snapshots).to_have_text([re.compile(r"^Best: epoch \d, \d+\.\d\d%$"), *each])
    expect(snapshots.nth(1)).to_contain_text("last")
    page.get_by_role("link", name="Settings", exact=True).click()
    expect(page.locator("[data-graph='lr_graph'] canvas")).to_be_visible()


def test_the_graph_tells_its_values_under_the_pointer(server: ServerProcess, page: Page) -> None:
    open_job(server, page, MODEL_NAME)
    page.get_by_role("link", name="Settings", exact=True).click()
    for kind, words in (("combined_graph", "accuracy (val)"), ("lr_graph", "Learning Rate")):
        page.locator(f"[data-graph='{kind}'] .u-over").hover(position={"x": 300, "y": 60})
        values = page.locator(f"[data-graph='{kind}'] .graph-tooltip")
        expect(values).to_contain_text("Epoch")
        expect(values).to_contain_text(words)


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


def test_a_file_that_is_no_picture_is_refused_in_words(
    server: ServerProcess, page: Page, tmp_path: Path, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    (tmp_path / "letter.png").write_text("Dear network,")
    open_job(server, page, MODEL_NAME)
    page.get_by_label("Upload picture", exact=True).set_input_files(tmp_path / "letter.png")
    with page.expect_response(re.compile("classify_one")) as refused:
        page.get_by_role("button", name="Classify one").click()
    assert refused.value.status == 400
    expect(page.get_by_role("alert")).to_contain_text("letter.png")


def test_all_layers_are_shown_when_asked_for(
    server: ServerProcess, page: Page, digits: Path
) -> None:
    open_job(server, page, MODEL_NAME)
    page.get_by_label("Upload picture", exact=True).set_input_files(
        sorted((digits / "held_out").iterdir())[0]
    )
    page.get_by_label(re.compile("Show visualizations")).check()
    page.get_by_role("button", name="Classify one").click()
    layer = page.get_by_role("region", name="Layer conv1")
    expect(layer.get_by_role("img", name="Weights as a picture")).to_be_visible()
    expect(layer.get_by_role("img", name=re.compile("Histogram"))).to_have_count(3)


def test_a_list_of_pictures_gives_accuracy_and_confusion(
    server: ServerProcess, page: Page, digits: Path, tmp_path: Path
) -> None:
    pictures = sorted((digits / "held_out").iterdir())
    lines = [f"{picture.name} {picture.name.split('-')[0]}" for picture in pictures]
    (tmp_path / "list.txt").write_text("\n".join([*lines, "missing.png 3"]))
    open_job(server, page, MODEL_NAME)
    open_many(page)
    page.get_by_label("Upload picture list", exact=True).set_input_files(tmp_path / "list.txt")
    page.get_by_label(re.compile("Picture folder")).fill(str(digits / "held_out"))
    page.get_by_role("button", name="Classify many").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        f"{len(pictures)} pictures classified"
    )
    expect(page.get_by_role("region", name="Confusion matrix")).to_be_visible()
    expect(page.locator("body")).to_contain_text("missing.png")
    page.go_back()
    page.wait_for_load_state()
    open_many(page)
    page.get_by_label("Upload picture list", exact=True).set_input_files(tmp_path / "list.txt")
    page.get_by_label("Top N per category", exact=True).fill("2")
    page.get_by_role("button", name="Top N per category").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Top 2 per category")
    expect(page.locator(".thumbs img").first).to_be_visible()


# What the browser does when a picture comes from elsewhere.
DROP = """([zone, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
  document.querySelector(zone).dispatchEvent(
    new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""
PASTE = """([zone, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], name, { type: "image/png" }));
  document.querySelector(zone).dispatchEvent(
    new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


@pytest.mark.parametrize(("script", "name"), [(DROP, "dropped.png"), (PASTE, "pasted.png")])
def test_a_picture_from_elsewhere_is_named_and_explained(
    server: ServerProcess, page: Page, digits: Path, script: str, name: str
) -> None:
    open_job(server, page, MODEL_NAME)
    picture = sorted((digits / "held_out").iterdir())[0]
    data = base64.b64encode(picture.read_bytes()).decode()
    page.evaluate(script, ["[data-drop-zone]", name, data])
    result = page.locator("[data-classification]")
    expect(result.locator("[data-name]")).to_have_text(name)
    seen = result.locator("[data-seen]")
    expect(seen).to_have_js_property("naturalWidth", 28)
    bare = seen.get_attribute("src") or ""
    result.get_by_role("switch", name="Show where the network saw").check()
    note = result.locator("[data-seen-note]")
    expect(note).to_have_text(re.compile("Where it saw “.+”, by the layer pool2"))
    expect(seen).not_to_have_attribute("src", bare)
    other = result.get_by_label("The category that is looked for").locator("option").nth(3)
    label = other.inner_text()
    result.get_by_label("The category that is looked for").select_option(label=label)
    expect(note).to_contain_text(f"“{label}”")
    result.get_by_role("switch", name="Show where the network saw").uncheck()
    expect(seen).to_have_attribute("src", bare)


def test_layers_are_drawn_when_they_come_into_view(
    server: ServerProcess, page: Page, digits: Path
) -> None:
    page.set_viewport_size({"width": 1000, "height": 400})
    open_job(server, page, MODEL_NAME)
    picture = sorted((digits / "held_out").iterdir())[0]
    page.get_by_label("Upload picture", exact=True).set_input_files(picture)
    page.get_by_label(re.compile("Show visualizations")).check()
    page.get_by_role("button", name="Classify one").click()
    expect(page.get_by_text("parameters in all")).to_be_visible()
    last = page.locator("[data-layer]").last
    expect(page.locator("[data-layer]").first.locator(".layer-picture")).to_be_visible()
    expect(last.locator(".layer-picture")).to_have_count(0)
    last.scroll_into_view_if_needed()
    expect(last.locator(".layer-picture")).to_be_visible()


def test_a_database_is_classified_by_a_job_whose_page_leads_to_the_pictures(
    server: ServerProcess, page: Page
) -> None:
    open_job(server, page, MODEL_NAME)
    open_many(page)
    page.get_by_label("or a database of the dataset").select_option("val")
    page.get_by_role("button", name="Classify many").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"val database by {MODEL_NAME}")
    expect(job_badge(page)).to_have_text("Done")
    cell = page.get_by_role("link", name=re.compile(r"^\d+ of 3 taken for 3$"))
    count = int(cell.inner_text())
    cell.click()
    expect(page).to_have_url(re.compile("truth=3&predicted=3"))
    rows = page.locator("[data-rows] tr")
    expect(rows).to_have_count(count)
    expect(rows.first.get_by_role("cell").nth(1)).to_have_text("3")
    expect(rows.first.locator("img")).to_have_js_property("naturalWidth", 28)
    expect(page.get_by_label("True category", exact=True)).to_have_value("3")
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_role("link", name="Confidence").click()
    expect(page.get_by_role("columnheader", name="Confidence")).to_have_attribute(
        "aria-sort", "ascending"
    )
    shares = [float(row.get_attribute("data-confidence") or "") for row in rows.all()]
    assert shares == sorted(shares)
    page.get_by_role("link", name="Top 9 per category").click()
    expect(page.locator(".thumbs img").first).to_have_js_property("naturalWidth", 28)
    page.go_back()
    expect(rows.first).to_be_visible()
    assert_no_serious_problem(page)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name=MODEL_NAME).first.click()
    expect(page.get_by_role("link", name="val database")).to_be_visible()


def test_a_short_lists_pictures_are_chosen_and_saved_on_its_page(
    server: ServerProcess, page: Page, digits: Path, tmp_path: Path
) -> None:
    pictures = sorted((digits / "held_out").iterdir())
    # Each has the label of the next class: nearly all are mistakes.
    labels = [(int(picture.name[0]) + 1) % 10 for picture in pictures]
    lines = [f"{picture} {label}" for picture, label in zip(pictures, labels, strict=True)]
    (tmp_path / "list.txt").write_text("\n".join([*lines, "/missing.png"]))
    open_job(server, page, MODEL_NAME)
    open_many(page)
    page.get_by_label("Upload picture list", exact=True).set_input_files(tmp_path / "list.txt")
    page.get_by_role("button", name="Classify many").click()
    rows = page.locator("[data-rows] tr")
    expect(rows).to_have_count(len(pictures) + 1)
    page.get_by_role("link", name="worst first").click()
    expect(page.get_by_label("Outcome", exact=True)).to_have_value("wrong")
    shares = [float(row.get_attribute("data-confidence") or "") for row in rows.all()]
    assert len(shares) >= 0.8 * len(pictures)
    assert shares == sorted(shares, reverse=True)
    page.get_by_label("Outcome", exact=True).select_option("unreadable")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("There is no such file")
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_label("Part of a picture’s name").fill(pictures[0].name)
    expect(rows).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    saved = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert len(saved) == len(pictures) + 1
    assert saved[0]["image"] == str(pictures[0])
    assert saved[0]["label"] == "1"
    assert float(saved[0]["percent 1"]) > 0
    assert saved[-1]["problem"]
    assert_no_serious_problem(page)


def test_the_model_is_taken_away_as_an_archive(server: ServerProcess, page: Page) -> None:
    open_job(server, page, MODEL_NAME)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download model").click()
    assert re.fullmatch(rf".*_epoch_{EPOCHS}\.tar\.gz", download.value.suggested_filename)


def test_a_network_is_customized_drawn_and_refused_when_wrong(
    server: ServerProcess, page: Page, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    page.goto(f"{server.url}/models/images/classification/new")
    page.get_by_label("Dataset", exact=True).select_option(label="Small digits")
    page.get_by_role("button", name="Customize LeNet").click()
    editor = page.locator(".CodeMirror")
    expect(editor).to_contain_text("LeNet")
    page.get_by_role("button", name="Visualize").click()
    dialog = page.get_by_role("dialog", name="The network")
    expect(dialog.get_by_role("img")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    # The dialog gives the focus back when it has gone.
    expect(dialog).to_be_hidden()
    editor.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("layer { type: 'Convolutoin' name: 'typo' }\n")
    expect(editor).to_contain_text("Convolutoin")
    page.get_by_label("Model name", exact=True).fill("Mistyped")
    page.get_by_role("button", name="Create model").click()
    expect(page.locator(".field-error").first).to_contain_text("Convolutoin")
    expect(page.locator(".CodeMirror")).to_contain_text("typo")
    expect(page.get_by_label("Model name", exact=True)).to_have_value("Mistyped")


def test_the_learning_rate_is_drawn_for_each_policy(server: ServerProcess, page: Page) -> None:
    page.goto(f"{server.url}/models/images/classification/new")
    page.get_by_text("More options").click()
    graph = page.locator("[data-graph='lr_preview']")
    expect(graph.locator("canvas")).to_be_visible()
    for policy in page.get_by_label("Policy", exact=True).locator("option").all():
        value = policy.get_attribute("value")
        if value != "step":  # which it has already
            with changed(graph):
                page.get_by_label("Policy", exact=True).select_option(value)


@pytest.mark.parametrize("name", ["Renamed digits", "<b>Bold</b> & co"])
def test_a_job_is_renamed_in_place(server: ServerProcess, page: Page, name: str) -> None:
    open_job(server, page, "Small digits")
    page.get_by_role("button", name="Rename this job").click()
    page.get_by_label("New name", exact=True).fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("button", name="Rename this job").click()
    page.get_by_label("New name", exact=True).fill("Small digits")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Small digits")


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


def open_job(server: ServerProcess, page: Page, name: str) -> None:
    page.goto(server.url)
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.wait_for_load_state()  # its scripts have run


def open_many(page: Page) -> None:
    """Show the part of the form that takes many pictures."""
    page.locator("#many-pictures").evaluate("part => { part.open = true; }")


def assert_no_serious_problem(page: Page) -> None:
    """axe finds nothing on the page as it is."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then((found) => found.violations)")
    problems = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
    assert problems == []


def job_badge(page: Page) -> Locator:
    return page.locator("#job-line [data-status-badge]")


def graph_words(page: Page, title: str) -> Locator:
    """What the graph of a panel says to those who cannot see it."""
    return (
        page.locator(".panel")
        .filter(has=page.get_by_role("heading", name=title))
        .locator("[data-graph-words]")
    )
