"""A newcomer without a mouse: from the empty home page to a classified picture by keys alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.server_process import ServerProcess

MOST_TABS = 80
TRAINING_MS = 240_000

# Whether something shows where the focus is: an outline, or a shadow in its place; for the radio
# buttons of tabs, which are themselves invisible, that of their label.
FOCUS_IS_SEEN = """() => {
  const shows = (element) => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
  };
  const focused = document.activeElement;
  return shows(focused) || (focused.closest("label") !== null && shows(focused.closest("label")));
}"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the wanted element has the focus; every stop on the way must be seen."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        stop = page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        assert page.evaluate(FOCUS_IS_SEEN), f"the focus is not seen on {stop}"
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{MOST_TABS} tabs did not lead to {wanted}; the last one to {stop}")


@pytest.mark.slow
def test_a_first_model_by_keyboard_alone(server: ServerProcess, page: Page, digits: Path) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(server.url)
    open_dataset_form(page)
    fill_dataset_form(page, digits / "train")
    train_lenet(page)
    classify(page, next((digits / "held_out").iterdir()))
    page.reload()
    rename(page)
    think_better_of_deleting(page)
    delete_and_undo(page)
    search_the_guides(page)


def open_dataset_form(page: Page) -> None:
    """By the menu at the top, with the keys that menus have."""
    keys = page.keyboard
    tab_to(page, page.get_by_role("button", name="New", exact=True))
    keys.press("Enter")
    keys.press("ArrowDown")
    expect(page.get_by_role("link", name="Image classification dataset")).to_be_focused()
    keys.press("Enter")
    page.wait_for_url("**/datasets/images/classification/new")


def fill_dataset_form(page: Page, pictures: Path) -> None:
    """Lists, explanations, numbers and a path that is completed."""
    keys = page.keyboard
    folder = page.get_by_role("combobox", name="Training pictures")
    tab_to(page, folder)
    keys.type(str(pictures)[:-2])
    expect(page.get_by_role("option", name=str(pictures))).to_be_visible()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(folder).to_have_value(re.compile(re.escape(str(pictures))))
    # The folder's own folders are offered, more than fit into the list, which Tab must pass by.
    paths = page.get_by_role("listbox", name="Paths on the server")
    expect(paths.get_by_role("option")).to_have_count(10)
    tab_to(page, page.get_by_label("Picture type", exact=True))
    keys.type("Gray")
    tab_to(page, page.get_by_role("button", name="About Width", exact=True))
    expect(page.get_by_role("tooltip")).to_contain_text("LeNet wants 28")
    keys.press("Escape")
    expect(page.get_by_role("tooltip")).to_have_count(0)
    for label in ("Width", "Height"):
        tab_to(page, page.get_by_label(label, exact=True))
        keys.type("28")
    tab_to(page, page.get_by_label("Dataset name", exact=True))
    keys.type("By keyboard")
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/datasets/\d"))
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")


def train_lenet(page: Page) -> None:
    keys = page.keyboard
    tab_to(page, page.get_by_role("link", name="New model"))
    keys.press("Enter")
    page.wait_for_url("**/models/images/classification/new?*")
    tab_to(page, page.get_by_role("radio", name="LeNet", exact=True))
    expect(page.get_by_role("radio", name="LeNet", exact=True)).to_be_checked()
    keys.press("ArrowDown")
    expect(page.get_by_role("radio", name="AlexNet")).to_be_checked()
    keys.press("ArrowUp")
    tab_to(page, page.get_by_label("Model name", exact=True))
    keys.type("By keyboard too")
    tab_to(page, page.get_by_label("Training epochs", exact=True))
    keys.type("1")
    keys.press("Enter")
    page.wait_for_url(re.compile(r"/models/\d"))
    badge = page.locator("#job-line [data-status-badge]")
    expect(badge).to_have_text("Done", timeout=TRAINING_MS)


def classify(page: Page, picture: Path) -> None:
    tab_to(page, page.get_by_label("or URL of a picture, or path on the server"))
    page.keyboard.type(str(picture))
    page.keyboard.press("Escape")  # closes the list of paths
    tab_to(page, page.get_by_role("button", name="Classify one"))
    page.keyboard.press("Space")
    expect(page.get_by_role("list", name="Predictions").get_by_role("listitem")).to_have_count(5)


def rename(page: Page) -> None:
    tab_to(page, page.get_by_role("button", name="Rename this job"))
    page.keyboard.press("Enter")
    page.keyboard.type("Renamed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Renamed")


def think_better_of_deleting(page: Page) -> None:
    delete = page.get_by_role("button", name="Delete", exact=True)
    tab_to(page, delete)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete “Renamed”?")
    expect(dialog).to_contain_text("snapshot of its weights")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(delete).to_be_focused()


def delete_and_undo(page: Page) -> None:
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete “Renamed”?")
    tab_to(page, dialog.get_by_role("button", name="Delete", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    job = page.get_by_role("link", name="Renamed", exact=True)
    expect(job).to_have_count(0)
    tab_to(page, page.get_by_role("button", name="Undo"))
    page.keyboard.press("Enter")
    expect(job).to_be_visible()


def search_the_guides(page: Page) -> None:
    tab_to(page, page.get_by_role("link", name="Help", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url("**/help/")
    page.keyboard.press("/")
    page.keyboard.type("learning rate")
    results = page.get_by_role("list", name="Results")
    tab_to(page, results.get_by_role("link").first)
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_contain_text("learning rate")
