"""Trying a model without a file, and every picture worth a look: its page, and evaluations."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Playwright, Route, expect

from tests.browser.chromium import launch
from tests.browser.conftest import PATIENCE_MS
from tests.browser.jobs import small_digits, trained_lenet
from tests.browser.test_pages import PHONE, check_by_axe
from tests.server_process import ServerProcess

CAMERA_FLAGS = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
# Of documentation; here it leads to this machine, as an address of plain http does.
ELSEWHERE = "192.0.2.7"
ODD_NAMES = [
    'it\'s "50%" <b>#1?.png',
    "line\nbreak.png",
    "\U0001f431.png",
    "\u202ertl \u05d7.png",
    "cafe\u0301.png",
    "x" * 251 + ".png",
]
# Press, draw a one and let go, by what a mouse, a pen or a finger sends.
DRAW = """([pad, kind]) => {
  const { left, top, width, height } = pad.getBoundingClientRect();
  const send = (name, y) => pad.dispatchEvent(new PointerEvent(name, {
    pointerId: 7, pointerType: kind, button: 0, bubbles: true, cancelable: true,
    clientX: left + width / 2, clientY: top + y * height,
  }));
  pad.setPointerCapture = () => {};
  pad.hasPointerCapture = () => true;
  send("pointerdown", 0.1);
  for (let y = 0.1; y < 0.9; y += 0.1) send("pointermove", y);
  send("lostpointercapture", 0.9);
}"""


@pytest.fixture(scope="module")
def model_id(server: ServerProcess, digits: Path) -> str:
    """LeNet after a few epochs on small digits."""
    return trained_lenet(server, small_digits(server, digits), train_epochs="5")


@pytest.fixture
def opened(server: ServerProcess, page: Page, model_id: str) -> Page:
    """The model's page, with its pictures to click."""
    page.goto(f"{server.url}/models/{model_id}")
    expect(pictures_to_click(page)).to_have_count(12)
    return page


def pictures_to_click(page: Page) -> Locator:
    return page.get_by_role("toolbar", name=re.compile("validation pictures")).get_by_role("img")


def result(page: Page) -> Locator:
    return page.locator("[data-classified] > [data-classification]")


def test_a_validation_picture_is_classified_at_a_click_and_others_come_at_another(
    opened: Page,
) -> None:
    first = pictures_to_click(opened).first
    before = first.get_attribute("src")
    first.click()
    expect(result(opened).locator("[data-name]")).to_contain_text("Validation set, picture 0")
    expect(result(opened).locator("[data-outcome]")).to_contain_text(re.compile(r"This is\s+“\d”"))
    expect(opened.locator(".to-try-picture[aria-pressed=true]")).to_have_count(1)
    opened.get_by_role("button", name="Others").click()
    expect(pictures_to_click(opened).first).not_to_have_attribute("src", before or "")
    # A file chosen later counts, and not the picture that was clicked.
    expect(opened.locator("[data-picture-set]")).to_have_value("val")
    opened.get_by_label("or URL of a picture, or path on the server").fill("/nowhere.png")
    expect(opened.locator("[data-picture-set]")).to_have_value("")


def test_the_pictures_are_one_stop_for_the_keyboard_and_arrows_go_on(opened: Page) -> None:
    try_it = opened.get_by_role("region", name="Try it")
    try_it.get_by_label("Snapshot", exact=True).focus()
    opened.keyboard.press("Tab")
    expect(opened.locator(".to-try-picture").first).to_be_focused()
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowRight")
    expect(opened.locator(".to-try-picture").nth(2)).to_be_focused()
    opened.keyboard.press("Enter")
    expect(result(opened)).to_be_visible()
    opened.keyboard.press("End")
    expect(opened.get_by_role("button", name="Others")).to_be_focused()
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("button", name="Others")).to_be_focused()
    opened.keyboard.press("Tab")
    expect(opened.get_by_label("Upload picture", exact=True)).to_be_focused()


def test_others_that_come_late_leave_the_focus_to_who_has_gone_on(opened: Page) -> None:
    held: list[Route] = []
    opened.route(re.compile(r"turn=1$"), lambda route: held.append(route))
    before = pictures_to_click(opened).first.get_attribute("src")
    opened.get_by_role("button", name="Others").focus()
    with opened.expect_request(re.compile(r"turn=1$")):
        opened.keyboard.press("Enter")
    opened.keyboard.press("Tab")
    upload = opened.get_by_label("Upload picture", exact=True)
    expect(upload).to_be_focused()
    held[0].continue_()
    expect(pictures_to_click(opened).first).not_to_have_attribute("src", before or "")
    expect(upload).to_be_focused()


def test_all_layers_of_a_clicked_picture_are_shown_when_asked_for(opened: Page) -> None:
    opened.get_by_label(re.compile("Show visualizations")).check()
    pictures_to_click(opened).nth(1).click()
    expect(opened.get_by_role("region", name="Layer conv1")).to_be_visible()
    expect(
        opened.get_by_role("heading", name=re.compile("Validation set, picture"))
    ).to_be_visible()


def test_a_folder_is_classified_as_it_uploads_and_kept_as_an_evaluation(
    opened: Page, digits: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "My <b>digits"
    for category in ("3", "7"):
        shutil.copytree(digits / "train" / category, folder / category)
    for name in ODD_NAMES:
        shutil.copy(next((digits / "train" / "3").iterdir()), folder / "3" / name)
    (folder / "3" / "broken.png").write_text("no picture")
    (folder / "3" / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture either")
    (folder / ".hidden.png").write_text("nor this")
    opened.locator("[data-folder-choice] input").set_input_files(folder)
    several = opened.locator("[data-several]")
    expect(several).to_contain_text(re.compile(r"88 of 88 classified · \d+ of 86 right"))
    expect(several).to_contain_text("2 could not be read")
    read = several.get_by_role("listitem").filter(has_not=opened.locator(".outcome-unreadable"))
    read.get_by_role("button", name=re.compile("show more")).first.click()
    expect(several.locator("[data-classification]")).to_be_visible()
    check_by_axe(opened)
    several.get_by_role("button", name="Keep as an evaluation").click()
    expect(opened.get_by_role("heading", level=1)).to_have_text(
        re.compile(r"Folder My <b>digits by LeNet")
    )
    expect(opened.locator("#job-line [data-status-badge]")).to_have_text("Done")
    expect(opened.get_by_role("region", name="Confusion matrix")).to_be_visible()
    # The page was opened before there was anything to choose among.
    expect(opened.get_by_label("Confidence of at least")).to_be_visible()
    expect(opened.locator("[data-rows] img").first).to_have_js_property("naturalWidth", 28)


def test_a_folder_without_a_picture_is_refused_in_words(opened: Page, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("none")
    opened.locator("[data-folder-choice] input").set_input_files(tmp_path / "folder")
    expect(opened.get_by_role("alert")).to_contain_text("no picture in this folder")


def test_pasted_pictures_are_listed_and_never_kept(opened: Page, digits: Path) -> None:
    pictures = sorted((digits / "held_out").iterdir())[:2]
    opened.evaluate(
        """async (files) => {
          const clipboardData = new DataTransfer();
          for (const [name, bytes] of files) {
            const file = new File([Uint8Array.from(bytes)], name, { type: "image/png" });
            clipboardData.items.add(file);
          }
          const pasted = new ClipboardEvent("paste", { clipboardData, cancelable: true });
          document.dispatchEvent(pasted);
        }""",
        [[each.name, list(each.read_bytes())] for each in pictures],
    )
    expect(opened.locator("[data-several]")).to_contain_text("2 of 2 classified")
    expect(opened.get_by_role("button", name="Stop")).to_have_count(0)
    expect(opened.get_by_role("button", name="Keep as an evaluation")).to_have_count(0)


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_a_drawing_is_classified_after_each_line(opened: Page, kind: str) -> None:
    opened.get_by_text("Draw a picture").click()
    pad = opened.get_by_label("Drawing pad")
    # The digits of the dataset are light on dark.
    expect(opened.get_by_role("button", name="Dark on light")).to_have_attribute(
        "aria-pressed", "false"
    )
    opened.evaluate(DRAW, [pad.element_handle(), kind])
    answer = opened.locator("[data-drawing-answer]")
    expect(answer).to_have_text(re.compile(r"“\d”, \d+\.\d\d%"))
    expect(result(opened).locator("[data-name]")).to_have_text("drawing.png")
    seen = result(opened).locator("[data-seen]")
    dark = seen.get_attribute("src")
    opened.get_by_role("button", name="Dark on light").click()
    expect(seen).not_to_have_attribute("src", dark or "")
    opened.get_by_role("button", name="Clear").click()
    expect(answer).to_contain_text("Draw here")


def test_a_drawing_is_made_by_keys_alone(opened: Page) -> None:
    opened.get_by_text("Draw a picture").focus()
    opened.keyboard.press("Enter")
    opened.keyboard.press("Tab")
    expect(opened.get_by_label("Drawing pad")).to_be_focused()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:
        opened.keyboard.press(key)
    answer = opened.locator("[data-drawing-answer]")
    expect(answer).to_have_text(re.compile(r"“\d”"))
    expect(opened.get_by_label("Drawing pad")).to_be_focused()
    opened.keyboard.press("Delete")
    expect(answer).to_contain_text("Draw here")


@pytest.fixture
def with_camera(
    server: ServerProcess, playwright: Playwright, model_id: str
) -> Iterator[tuple[Page, list[str]]]:
    """The model's page in a browser with a camera, and what its console complains about."""
    resolver = f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"
    browser = launch(playwright, *CAMERA_FLAGS, resolver)
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda each: each.type == "error" and complaints.append(each.text))
    page.goto(f"{server.url}/models/{model_id}")
    yield page, complaints
    browser.close()


def test_the_camera_takes_a_picture_that_is_classified(
    with_camera: tuple[Page, list[str]],
) -> None:
    page, complaints = with_camera
    page.get_by_text("Use the camera").click()
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_role("button", name="Take a picture").click()
    expect(result(page).locator("[data-name]")).to_have_text("photo.jpg")
    check_by_axe(page)
    page.get_by_text("Use the camera").click()
    stream = page.locator("video").evaluate("video => video.srcObject")
    assert stream is None
    assert complaints == []


def test_over_plain_http_the_button_says_why_there_is_no_camera(
    server: ServerProcess, with_camera: tuple[Page, list[str]], model_id: str
) -> None:
    page, complaints = with_camera
    port = server.url.rpartition(":")[2]
    page.goto(f"http://{ELSEWHERE}:{port}/models/{model_id}")
    page.get_by_text("Use the camera").click()
    expect(page.get_by_role("button", name="Start the camera")).to_be_disabled()
    expect(page.locator("[data-camera-note]")).to_contain_text("only to pages that come over https")
    # Of a plain address, Chromium also says that it takes no notice of one of the headers.
    assert [text for text in complaints if "Cross-Origin-Opener-Policy" not in text] == []


def test_a_phone_shows_all_ways_without_scrolling_sideways(opened: Page) -> None:
    opened.set_viewport_size(PHONE)
    for part in ("Draw a picture", "Use the camera"):
        opened.get_by_text(part).click()
    pictures_to_click(opened).first.click()
    expect(result(opened)).to_be_visible()
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    check_by_axe(opened)


# Evaluations and pictures -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluation_id(server: ServerProcess, model_id: str) -> str:
    """The validation pictures, classified by the model."""
    address = f"/models/images/classification/classify_many.json?job_id={model_id}"
    made = str(server.post(address, data={"database": "val"}).json()["id"])
    server.wait_for_status(made, "Done")
    return made


@pytest.fixture
def evaluated(server: ServerProcess, page: Page, evaluation_id: str) -> Page:
    """The evaluation's page."""
    page.goto(f"{server.url}/models/images/classification/evaluations/{evaluation_id}")
    expect(page.locator("[data-rows] tr").first).to_be_visible()
    return page


def values(page: Page, column: int) -> list[float]:
    """The numbers of a column of the table by category, -1 where one is not known."""
    cells = page.get_by_role("region", name="By category").locator(f"tbody td:nth-child({column})")
    return [float(text.strip("%").replace("–", "-1")) for text in cells.all_inner_texts()]


def test_the_table_by_category_sorts_by_its_heads_and_stays_so(evaluated: Page) -> None:
    heads = evaluated.get_by_role("region", name="By category").get_by_role("columnheader")
    assert values(evaluated, 5) == sorted(values(evaluated, 5))
    for name, column in (("Precision", 3), ("Recall", 4)):
        button = evaluated.get_by_role("button", name=name, exact=True)
        button.press("Enter")
        assert values(evaluated, column) == sorted(values(evaluated, column))
        button.press("Enter")
        assert values(evaluated, column) == sorted(values(evaluated, column), reverse=True)
    expect(heads.nth(3)).to_have_attribute("aria-sort", "descending")
    # Also when the part of the page was fetched again.
    evaluated.get_by_label("Confidence of at least").fill("50")
    expect(evaluated.get_by_text("Right of those answered")).to_be_visible()
    expect(heads.nth(3)).to_have_attribute("aria-sort", "descending")
    assert values(evaluated, 4) == sorted(values(evaluated, 4), reverse=True)


def test_the_matrix_is_shown_in_percent(evaluated: Page) -> None:
    cell = evaluated.get_by_role("link", name=re.compile(" of 3 taken for 3$"))
    expect(cell).to_have_text(re.compile(r"^\s*\d+\s*$"), use_inner_text=True)
    evaluated.get_by_role("button", name="Percent", exact=True).click()
    expect(cell).to_have_text(re.compile(r"^\s*\d+\.\d%\s*$"), use_inner_text=True)
    check_by_axe(evaluated)


def test_a_threshold_changes_numbers_and_rows_alike(evaluated: Page) -> None:
    steps = evaluated.locator("#thresholds")
    steps.get_by_role("link", name="50%").click()
    expect(evaluated.get_by_label("Confidence of at least")).to_have_value("50")
    expect(evaluated).to_have_url(re.compile("threshold=50"))
    expect(steps.get_by_role("link", name="50%")).to_have_attribute("aria-current", "true")
    cell = evaluated.locator("[data-confusion] td:not(.wrong) a").first
    count = int((cell.get_attribute("aria-label") or "").split()[0])
    cell.click()
    expect(evaluated.locator("[data-rows] tr")).to_have_count(count)
    sure = evaluated.locator("[data-rows] tr").first.get_attribute("data-number")
    evaluated.get_by_label("Outcome", exact=True).select_option("unsure")
    expect(evaluated.locator(f"[data-rows] tr[data-number='{sure}']")).to_have_count(0)
    evaluated.get_by_label("True category", exact=True).select_option("")
    evaluated.get_by_label("Predicted category", exact=True).select_option("")
    rows = evaluated.locator("[data-rows] tr")
    expect(rows.first).to_be_visible()
    assert all(float(row.get_attribute("data-confidence") or 100) < 50 for row in rows.all())


def test_a_picture_of_the_matrix_has_a_page_with_its_neighbours_by_the_arrow_keys(
    evaluated: Page,
) -> None:
    evaluated.get_by_role("link", name=re.compile(r"^\d+ of 3 taken for 3$")).click()
    expect(evaluated).to_have_url(re.compile("truth=3"))
    evaluated.locator("[data-rows] a.path").first.click()
    evaluated.wait_for_url(re.compile(r"/pictures/\d+\?.*truth=3"))
    expect(evaluated.locator(".picture-nav")).to_contain_text("1 of")
    first = evaluated.url
    shown = evaluated.locator("[data-classification]")
    expect(shown).to_be_visible()
    evaluated.keyboard.press("ArrowRight")
    expect(evaluated.locator(".picture-nav")).to_contain_text("2 of")
    expect(shown).to_contain_text("This is")
    shown.get_by_role("switch", name="Show where the network saw").check()
    expect(shown.locator("[data-seen-note]")).to_have_text(re.compile("Where it saw “.+”"))
    # In a list of choices the arrows are its own.
    shown.get_by_label("The category that is looked for").press("ArrowLeft")
    expect(evaluated.locator(".picture-nav")).to_contain_text("2 of")
    evaluated.get_by_role("heading", level=1).click()
    evaluated.keyboard.press("ArrowLeft")
    expect(evaluated).to_have_url(first)
    evaluated.get_by_role("button", name="All layers").click()
    expect(evaluated.get_by_role("region", name="Layer conv1")).to_be_visible()


def test_explore_leads_to_a_pictures_page_with_what_the_model_sees(
    server: ServerProcess, page: Page, evaluated: Page
) -> None:
    row = evaluated.locator("[data-rows] a.path").first
    row.click()
    page.locator(".facts a").first.click()  # from the evaluation to the dataset
    page.get_by_role("link", name="Explore", exact=True).first.click()
    page.get_by_label("Category").select_option("3")
    page.locator(".thumbs a").nth(1).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"\.png$"))
    expect(page.locator(".picture-nav")).to_contain_text("2 of")
    expect(page.locator(".picture-large img")).to_have_js_property("naturalWidth", 28)
    expect(page.locator("[data-classification]")).to_contain_text("This is")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".picture-nav")).to_contain_text("1 of")


def test_two_models_are_compared_on_one_set(
    server: ServerProcess, page: Page, model_id: str, evaluation_id: str
) -> None:
    page.goto(f"{server.url}/models/images/classification/new?clone={model_id}")
    page.get_by_label("Model name", exact=True).fill("LeNet again")
    page.get_by_role("button", name="Create model").click()
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    page.goto(f"{server.url}/models/images/classification/evaluations/{evaluation_id}")
    page.get_by_role("button", name="LeNet again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Validation set by LeNet again")
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    others = page.locator(".panel").filter(has_text="Compare on these pictures")
    others.get_by_role("link", name="LeNet", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("LeNet again and LeNet")
    page.get_by_role("link", name=re.compile("All pictures")).click()
    expect(page.locator("[data-rows] tr")).to_have_count(50)
    page.locator("[data-rows] a.path").first.click()
    expect(page.locator("[data-classification]")).to_be_visible()
