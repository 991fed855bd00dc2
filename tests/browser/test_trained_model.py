"""A network that has learned handwritten digits: tried, seen into, evaluated.

Each test stands alone: dataset and model are made once, without the browser.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.jobs import (
    assert_no_serious_problem,
    job_badge,
    open_job,
    open_many,
    small_digits,
    trained_lenet,
)
from tests.server_process import ServerProcess

DATASET_NAME = "Small digits"
MODEL_NAME = "LeNet on digits"


@pytest.fixture(scope="module", autouse=True)
def trained(server: ServerProcess, digits: Path) -> None:
    """A dataset of 28x28 pictures, and LeNet trained on it for six epochs."""
    dataset = small_digits(server, digits, dataset_name=DATASET_NAME, seed="1")
    options = {"train_epochs": "6", "batch_size": "20", "random_seed": "1"}
    trained_lenet(server, dataset, model_name=MODEL_NAME, **options)


def test_the_graph_tells_its_values_under_the_pointer(server: ServerProcess, page: Page) -> None:
    open_job(server, page, MODEL_NAME)
    page.get_by_role("link", name="Settings", exact=True).click()
    for kind, words in (("combined_graph", "accuracy (val)"), ("lr_graph", "Learning Rate")):
        page.locator(f"[data-graph='{kind}'] .u-over").hover(position={"x": 300, "y": 60})
        values = page.locator(f"[data-graph='{kind}'] .graph-tooltip")
        expect(values).to_contain_text("Epoch")
        expect(values).to_contain_text(words)


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
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Validation set by {MODEL_NAME}")
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
    expect(page.get_by_role("link", name="Validation set")).to_be_visible()


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
