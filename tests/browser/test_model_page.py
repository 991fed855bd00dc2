"""A model's page: what matters first, tabs with addresses, and the form that tries the model."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_pages import DESK, PHONE, check_by_axe
from tests.browser.weight import check_weight
from tests.model.requests import TINY, dataset_form
from tests.pictures import make_class_folders
from tests.server_process import ServerProcess

TABS = ("Snapshots", "Settings", "Files", "Log")
# A drop of several files, as a browser does it.
DROP = """([zone, files]) => {
  const dataTransfer = new DataTransfer();
  for (const [name, type, data] of files) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    dataTransfer.items.add(new File([bytes], name, { type }));
  }
  document.querySelector(zone).dispatchEvent(
    new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def dataset_id(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> str:
    pictures = make_class_folders(
        tmp_path_factory.mktemp("pictures"), classes=3, pictures=12, mode="L"
    )
    return server.made("/datasets/images/classification.json", dataset_form(Path(pictures)))


def model_form(dataset_id: str, **fields: str) -> dict[str, str]:
    return {
        "model_name": "Tiny",
        "dataset": dataset_id,
        "method": "custom",
        "custom_network": TINY,
        "train_epochs": "4",
        "batch_size": "9",
        "random_seed": "1",
        **fields,
    }


@pytest.fixture(scope="module")
def model_id(server: ServerProcess, dataset_id: str) -> str:
    return server.made("/models/images/classification.json", model_form(dataset_id))


@pytest.fixture
def opened(server: ServerProcess, page: Page, model_id: str) -> Page:
    page.goto(f"{server.url}/models/{model_id}")
    expect(page.locator("[data-graph='combined_graph'] canvas")).to_be_visible()
    return page


def tab(page: Page, title: str) -> Locator:
    return page.locator("#tabs").get_by_role("link", name=title, exact=True)


def part(page: Page, title: str) -> Locator:
    return page.locator(f"[data-tab='{title.lower()}']")


def picture(level: int) -> str:
    """A PNG in base64."""
    file = io.BytesIO()
    Image.new("L", (16, 16), level).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_the_figures_the_graph_and_the_form_stand_first_and_the_status_once(opened: Page) -> None:
    opened.set_viewport_size(DESK)
    tiles = opened.locator(".figure-tiles")
    for words in (r"Accuracy\s*\d+\.\d\d%", r"Best epoch\s*[1-4]", r"Loss\s*\d", r"Pace\s*[\d.]+"):
        expect(tiles).to_contain_text(re.compile(words))
    badges = opened.locator("[data-status-badge]").filter(visible=True)
    expect(badges).to_have_count(1)
    form, graph = (
        opened.locator("#try-out").bounding_box(),
        opened.locator(".curves").bounding_box(),
    )
    assert form
    assert graph
    assert form["x"] > graph["x"] + graph["width"] - 1
    assert max(form["y"], graph["y"]) < DESK["height"] / 2


def test_a_phone_shows_figures_form_and_graph_in_that_order_before_the_tabs(opened: Page) -> None:
    opened.set_viewport_size(PHONE)
    places = [
        opened.locator(each).evaluate("it => it.getBoundingClientRect().top + scrollY")
        for each in (".figure-tiles", "#try-out", ".curves", "#tabs")
    ]
    assert places == sorted(places)
    assert places[-1] < 2000
    row = opened.get_by_role("button", name="Delete the snapshot of epoch 1").bounding_box()
    assert row
    assert row["x"] + row["width"] <= PHONE["width"]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_each_tab_has_an_address(
    server: ServerProcess, page: Page, model_id: str, scripts: bool
) -> None:
    assert page.context.browser
    context = page.context.browser.new_context(java_script_enabled=scripts)
    other = context.new_page()
    try:
        other.goto(f"{server.url}/models/{model_id}")
        expect(part(other, "Snapshots")).to_be_visible()
        for title in reversed(TABS):
            tab(other, title).click()
            expect(part(other, title)).to_be_visible()
            expect(tab(other, title)).to_have_attribute("aria-current", "true")
            expect(other.locator("[data-tab]").filter(visible=True)).to_have_count(1)
            expect(other).to_have_url(re.compile(f"[?]tab={title.lower()}"))
    finally:
        context.close()


def test_the_way_back_leads_through_the_tabs_without_loading_the_page_again(opened: Page) -> None:
    opened.evaluate("window.notLoadedAgain = true")
    tab(opened, "Files").click()
    tab(opened, "Settings").press("Enter")
    expect(part(opened, "Settings")).to_be_visible()
    opened.go_back()
    expect(part(opened, "Files")).to_be_visible()
    opened.go_back()
    expect(part(opened, "Snapshots")).to_be_visible()
    opened.go_forward()
    expect(part(opened, "Files")).to_be_visible()
    assert opened.evaluate("window.notLoadedAgain")
    opened.reload()
    expect(part(opened, "Files")).to_be_visible()


def test_an_unknown_tab_is_the_first(server: ServerProcess, page: Page, model_id: str) -> None:
    page.goto(f"{server.url}/models/{model_id}?tab=nonsense")
    expect(part(page, "Snapshots")).to_be_visible()


def test_the_log_is_followed_and_searched_in_its_tab(opened: Page) -> None:
    tab(opened, "Log").click()
    expect(opened.get_by_role("log")).to_contain_text("Optimization Done.")
    opened.get_by_role("searchbox", name="Search the log").fill("Iteration 3,")
    opened.get_by_role("searchbox", name="Search the log").press("Enter")
    expect(opened.locator(".log-found")).to_contain_text("Iteration 3,")


@pytest.mark.parametrize("title", TABS)
def test_axe_finds_nothing_in_any_tab(
    server: ServerProcess, page: Page, model_id: str, title: str
) -> None:
    page.goto(f"{server.url}/models/{model_id}?tab={title.lower()}")
    page.wait_for_load_state("networkidle")
    page.locator("#many-pictures").evaluate("it => { it.open = true; }")
    check_by_axe(page)
    check_weight(page)


def test_the_choice_of_a_snapshot_says_its_accuracy_and_offers_the_best(opened: Page) -> None:
    snapshot = opened.get_by_role("region", name="Try it").get_by_label("Snapshot", exact=True)
    options = snapshot.locator("option")
    expect(options.first).to_have_text(re.compile(r"^Best: epoch [1-4], \d+\.\d\d%$"))
    expect(options.nth(1)).to_have_text(re.compile(r"^Epoch #4 · \d+\.\d\d%.* · last$"))
    expect(options.filter(has_text=re.compile("· best"))).to_have_count(1)
    expect(snapshot).to_have_value("4")
    best = re.search(r"epoch (\d)", options.first.inner_text())
    assert best
    snapshot.select_option("best")
    with opened.expect_download() as download:
        opened.get_by_role("button", name="Download model").click()
    assert download.value.suggested_filename.endswith(f"_epoch_{best[1]}.tar.gz")


def test_lines_for_programs_are_filled_in_and_copied_at_a_click(
    server: ServerProcess, opened: Page, model_id: str
) -> None:
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab(opened, "Files").click()
    for title in ("curl", "Python"):
        lines = opened.get_by_role("region", name=title, exact=True)
        expect(lines).to_contain_text(
            f"{server.url}/models/images/classification/classify_one.json"
        )
        expect(lines).to_contain_text(f"job_id={model_id}")
        expect(lines).to_contain_text("Bearer YOUR_TOKEN")
        button = lines.locator("xpath=..").get_by_role("button")
        button.click()
        expect(button).to_have_text("Copied")
        assert opened.evaluate("navigator.clipboard.readText()") == lines.text_content()


@pytest.mark.parametrize("expected_complaints", [["400"]])
def test_what_is_wrong_with_a_picture_stands_at_its_field_until_it_is_right(
    opened: Page, tmp_path: Path
) -> None:
    button = opened.get_by_role("button", name="Classify one")
    button.click()
    upload = opened.get_by_label("Upload picture", exact=True)
    error = opened.locator("#image-file-error")
    expect(error).to_contain_text("Choose a picture")
    expect(upload).to_have_attribute("aria-invalid", "true")
    expect(upload).to_be_focused()
    (tmp_path / "letter.png").write_text("Dear network,")
    upload.set_input_files(tmp_path / "letter.png")
    button.click()
    expect(error).to_contain_text("letter.png cannot be read")
    expect(opened.get_by_role("alert")).to_have_count(1)
    (tmp_path / "grey.png").write_bytes(base64.b64decode(picture(90)))
    upload.set_input_files(tmp_path / "grey.png")
    button.click()
    expect(opened.locator("[data-classification]")).to_be_visible()
    expect(error).to_have_count(0)
    expect(upload).not_to_have_attribute("aria-invalid", "true")


@pytest.mark.parametrize("expected_complaints", [["400"]])
@pytest.mark.parametrize("name", ["Classify many", "Top N per category"])
def test_many_pictures_without_a_source_or_from_a_bad_one_are_refused_in_place(
    server: ServerProcess, opened: Page, model_id: str, tmp_path: Path, name: str
) -> None:
    opened.evaluate("window.notLoadedAgain = true")
    opened.get_by_text("Classify many pictures", exact=True).first.click()
    button = opened.get_by_role("button", name=name)
    button.click()
    expect(opened.locator("#image-list-error")).to_contain_text("Choose a text file")
    opened.get_by_label(re.compile("^Picture folder")).fill("/nowhere/at/all")
    button.click()
    expect(opened.locator("#image-folder-error")).to_contain_text("/nowhere/at/all")
    expect(opened.locator("#image-list-error")).to_have_count(0)
    opened.get_by_label("Number of pictures").fill("many")
    opened.get_by_label("Number of pictures").press("Enter")
    expect(opened.locator("#num-test-images-error")).to_contain_text("many")
    assert opened.evaluate("window.notLoadedAgain")
    expect(opened).to_have_url(f"{server.url}/models/{model_id}")


def test_all_pictures_of_a_drop_are_classified_and_what_is_none_is_named(opened: Page) -> None:
    files = [[f"{level}.png", "image/png", picture(level)] for level in (20, 120, 220)]
    broken = ["broken.png", "image/png", base64.b64encode(b"none").decode()]
    opened.evaluate(DROP, ["[data-drop-zone]", [*files[:2], broken, files[2]]])
    rows = opened.get_by_role("list", name="Classified pictures").get_by_role("listitem")
    expect(rows.get_by_role("button")).to_have_text(["20.png", "120.png", "broken.png", "220.png"])
    expect(rows.nth(2).locator(".outcome-unreadable")).not_to_be_empty()
    expect(opened.locator("[data-several]")).to_contain_text("4 of 4 classified")
    rows.nth(3).get_by_role("button").click()
    expect(opened.locator("[data-classification] [data-name]")).to_have_text("220.png")
    ids = opened.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("expected_complaints", [["400"]])
def test_the_list_of_paths_does_not_lie_over_the_buttons(opened: Page, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"folder {number}").mkdir()
    opened.locator("#many-pictures").evaluate("it => { it.open = true; }")
    for label, button in (
        (re.compile("^Picture folder"), "Classify many"),
        ("or URL of a picture, or path on the server", "Classify one"),
    ):
        field = opened.get_by_label(label)
        field.press_sequentially(f"{tmp_path}/")
        paths = field.locator("xpath=..").get_by_role("listbox")
        expect(paths).to_be_visible()
        list_box = paths.bounding_box()
        button_box = opened.get_by_role("button", name=button).bounding_box()
        assert list_box
        assert button_box
        assert list_box["y"] + list_box["height"] <= button_box["y"]
    opened.get_by_role("button", name="Classify one").click()  # while the list is open
    expect(opened.locator("#image-url-error")).to_be_visible()


def test_the_form_is_reached_by_the_keyboard_in_a_few_steps(opened: Page) -> None:
    opened.keyboard.press("Tab")
    opened.keyboard.press("Tab")
    expect(opened.get_by_role("link", name="Skip to trying the model")).to_be_focused()
    opened.keyboard.press("Enter")
    for _ in range(3):
        opened.keyboard.press("Tab")
        if opened.get_by_label("Upload picture", exact=True).evaluate(
            "it => it === document.activeElement"
        ):
            return
    pytest.fail("the field for a picture is not among the first three steps")
