"""Forms show first what matters, say what is wrong with a way to it, and are not sent twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.graphs import changed
from tests.browser.test_pages import check_by_axe
from tests.model.requests import TINY, dataset_form
from tests.pictures import make_class_folders
from tests.server_process import ServerProcess

NEW_MODEL = "/models/images/classification/new"
NEW_DATASET = "/datasets/images/classification/new"
# From the top of the page: its head has the skip link, home, New, help and the theme.
MOST_TABS_TO_A_FILE = 10


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_class_folders(tmp_path_factory.mktemp("pictures"), classes=3, pictures=12, mode="L")


@pytest.fixture(scope="module")
def dataset_id(server: ServerProcess, pictures: Path) -> str:
    answer = server.post("/datasets/images/classification.json", data=dataset_form(pictures))
    job_id = str(answer.json()["id"])
    server.wait_for_status(job_id, "Done")
    return job_id


def write_network(page: Page, text: str) -> None:
    """Into the editor of custom networks."""
    page.get_by_text("Custom network", exact=True).first.click()
    editor = page.locator(".CodeMirror")
    expect(editor).to_be_visible()
    editor.evaluate("(element, text) => element.CodeMirror.setValue(text)", text)


def test_what_matters_comes_first_and_the_rest_when_asked_for(
    server: ServerProcess, page: Page, dataset_id: str
) -> None:
    page.goto(f"{server.url}{NEW_MODEL}?dataset={dataset_id}")
    for label in ("Dataset", "Model name", "Training epochs"):
        expect(page.get_by_label(label, exact=True)).to_be_visible()
    expect(page.get_by_label("Base learning rate", exact=True)).to_be_hidden()
    page.get_by_text("More options").click()
    expect(page.get_by_label("Base learning rate", exact=True)).to_be_visible()
    expect(page.locator("[data-graph='lr_preview'] canvas")).to_be_visible()
    # Something there is not the default.
    page.goto(f"{server.url}{NEW_MODEL}?dataset={dataset_id}&learning_rate=0.5&train_epochs=many")
    expect(page.get_by_label("Base learning rate", exact=True)).to_have_value("0.5")
    expect(page.get_by_label("Base learning rate", exact=True)).to_be_visible()


def test_errors_are_a_list_that_leads_to_folded_fields(
    server: ServerProcess, page: Page, dataset_id: str, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    page.goto(f"{server.url}{NEW_MODEL}?dataset={dataset_id}")
    page.get_by_text("More options").click()
    page.get_by_label("Batch size", exact=True).fill("0")
    page.get_by_label("Training epochs", exact=True).fill("0")
    page.get_by_text("More options").click()
    page.get_by_role("button", name="Create model").click()
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("Fix the fields marked in red.")
    expect(summary.get_by_role("listitem")).to_have_count(3)
    check_by_axe(page)
    page.get_by_text("More options").click()
    expect(page.get_by_label("Batch size", exact=True)).to_be_hidden()
    summary.get_by_role("link", name="Batch size").click()
    expect(page.get_by_label("Batch size", exact=True)).to_be_focused()
    summary.get_by_role("link", name="Model name").click()
    expect(page.get_by_label("Model name", exact=True)).to_be_focused()


def test_before_a_model_is_made_its_room_and_its_faults_are_told(
    server: ServerProcess, page: Page, dataset_id: str
) -> None:
    page.goto(f"{server.url}{NEW_MODEL}?dataset={dataset_id}")
    told = page.locator("[data-estimate]")
    page.get_by_label("AlexNet", exact=True).check()
    expect(told).to_contain_text("This model cannot be created")
    expect(told).to_contain_text("AlexNet is made for pictures of 256 x 256")
    write_network(page, TINY)
    page.get_by_label("Training epochs", exact=True).fill("7")
    page.get_by_label("Model name", exact=True).click()
    expect(told).to_contain_text("7 snapshots of ")
    expect(told).to_contain_text(re.compile("An epoch takes (about|less than) .* here"))
    expect(told).not_to_have_attribute("aria-busy", "true")


def test_what_is_wrong_with_a_learning_rate_is_said_with_its_fields(
    server: ServerProcess, page: Page, dataset_id: str, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    page.goto(f"{server.url}{NEW_MODEL}?dataset={dataset_id}")
    page.get_by_text("More options").click()
    page.get_by_label("Gamma", exact=True).and_(page.locator(":visible")).fill("-1")
    message = page.locator("[data-lr-message]")
    expect(message).to_contain_text("Gamma: ")
    page.get_by_label("Base learning rate", exact=True).fill("-1")
    expect(message).to_contain_text("Base learning rate: ")


def test_a_network_that_would_be_refused_is_drawn_with_the_reason_beside_it(
    server: ServerProcess, page: Page, dataset_id: str
) -> None:
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.goto(f"{server.url}{NEW_MODEL}?dataset={dataset_id}")
    write_network(page, TINY.replace('"ReLU" bottom: "conv"', '"ReLU" bottom: "cnov"'))
    page.get_by_role("button", name="Visualize").click()
    dialog = page.get_by_role("dialog", name="The network")
    expect(dialog.get_by_role("img")).to_be_visible()
    expect(dialog.get_by_role("listitem")).to_contain_text("Line 9: layer 'relu'")
    check_by_axe(page)
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator(".line-with-error")).to_contain_text("relu")
    expect(page.locator(".field-error")).to_contain_text(["Line 9: layer 'relu'"])


# What a second click, and Enter, do after the first; nothing leaves the page.
PRESS_TWICE = """() => {
  let sent = 0;
  addEventListener("submit", (event) => {
    if (!event.defaultPrevented) sent += 1;
    event.preventDefault();
  });
  const button = document.querySelector("form[data-new-job] button[type='submit']");
  button.click();
  const words = button.textContent;
  button.click();
  button.form.requestSubmit();
  return [sent, words, button.getAttribute("aria-disabled"), button.form.getAttribute("aria-busy")];
}"""


@pytest.mark.parametrize(
    ("path", "words"),
    [(NEW_DATASET, "Creating the dataset…"), (NEW_MODEL, "Checking the network…")],
)
def test_a_button_is_busy_at_once_and_the_form_goes_once(
    server: ServerProcess, page: Page, path: str, words: str
) -> None:
    page.goto(server.url + path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate(PRESS_TWICE) == [1, words, "true", "true"]
    expect(page.get_by_role("button", name=words)).to_be_visible()
    check_by_axe(page)


def test_a_file_for_a_dataset_is_chosen_after_few_tabs(server: ServerProcess, page: Page) -> None:
    page.goto(server.url + NEW_DATASET)
    page.get_by_role("radio", name="Upload an archive").check()
    page.locator("body").press("Home")
    page.evaluate("document.activeElement.blur()")
    for _ in range(MOST_TABS_TO_A_FILE):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "archive_file":
            return
    raise AssertionError("the file is not reached")


def test_paths_that_are_offered_lie_over_no_button(
    server: ServerProcess, page: Page, pictures: Path
) -> None:
    page.goto(server.url + NEW_DATASET)
    page.get_by_label("Dataset name", exact=True).fill("Beside the list")
    folder = page.get_by_role("combobox", name="Training pictures")
    folder.press_sequentially(f"{pictures}/")
    expect(page.get_by_role("listbox", name="Paths on the server")).to_be_visible()
    folder.press("Backspace")
    expect(page.get_by_role("listbox", name="Paths on the server")).to_be_visible()
    # One click, though the list goes when the field is left.
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Beside the list")


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
