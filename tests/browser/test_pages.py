"""All pages: nothing that a reader with a keyboard, a phone, or dark colours would trip over."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.jobs import small_digits, trained_lenet
from tests.browser.weight import check_weight
from tests.server_process import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"

PAGES = {
    "home": "/",
    "search without a match": "/?search=nothing-is-called-this",
    "new dataset": "/datasets/images/classification/new",
    "new model": "/models/images/classification/new",
    "new model from a previous one": (
        "/models/images/classification/new?dataset={dataset}&method=previous"
    ),
    "dataset": "/datasets/{dataset}",
    "explore": "/datasets/{dataset}/explore",
    "picture": "/datasets/{dataset}/pictures/val/3",
    "upload a model": "/models/upload_archive",
    "new pretrained model": "/pretrained_models/new",
    "pretrained model": "/pretrained_models/{pretrained}",
    "pretrained models first": "/?tab=3",
    "tab of pretrained models": "/models/images/classification/new?method=pretrained",
    "model": "/models/{model}",
    "uploaded model": "/models/{uploaded}",
    "large graph": "/models/images/classification/large_graph?job_id={model}",
    "evaluation": "/models/images/classification/evaluations/{evaluation}",
    "evaluation with a threshold": (
        "/models/images/classification/evaluations/{evaluation}?threshold=90&outcome=unsure"
    ),
    "picture of an evaluation": (
        "/models/images/classification/evaluations/{evaluation}/pictures/3?outcome=right"
    ),
    "features": "/models/images/classification/features/{features}",
    "two evaluations": "/models/images/classification/evaluations/{evaluation}/compare/{earlier}",
    "top N of an evaluation": "/models/images/classification/evaluations/{evaluation}/top_n",
    "compare": "/models/compare?ids={model}&ids={uploaded}",
    "question before deleting": "/jobs/delete?ids={dataset}&ids={model}",
    "snapshots": "/models/{model}?tab=snapshots",
    "settings": "/models/{model}?tab=settings",
    "files": "/models/{model}?tab=files",
    "log tab": "/models/{model}?tab=log",
    "bin": "/bin",
    "question before emptying the bin": "/bin/delete",
    "log": "/jobs/{model}/logs/train_caffe",
    "help": "/help/",
    "help page": "/help/api",
    "glossary": "/help/glossary",
    "not found": "/jobs/there-is-none",
    "wrong request": "/models/images/classification",
}
# What Chromium says of them itself.
COMPLAINTS = {"not found": "status of 404", "wrong request": "status of 405"}
NOTES = (
    "# Goal\n\nA **first** model:\n\n- `lenet`\n\n| rate | accuracy |\n|---|---|\n| 0.01 | 90% |"
)
DESK: ViewportSize = {"width": 1280, "height": 720}
PHONE: ViewportSize = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def jobs(server: ServerProcess, digits: Path) -> dict[str, str]:
    """A dataset and a model trained on it, made over HTTP: their ids."""
    dataset = small_digits(server, digits)
    model = trained_lenet(server, dataset, train_epochs="2")
    server.put(f"/jobs/{model}", data={"job_notes": NOTES})
    evaluation = server.post(
        f"/models/images/classification/classify_many.json?job_id={model}", data={"database": "val"}
    ).json()["id"]
    earlier = server.post(
        f"/models/images/classification/classify_many.json?job_id={model}",
        data={"database": "val", "snapshot_epoch": "1"},
    ).json()["id"]
    features = server.post(
        f"/models/images/classification/features.json?job_id={model}", data={"database": "val"}
    ).json()["id"]
    for each in (evaluation, earlier, features):
        server.wait_for_status(each, "Done")
    archive = server.get(f"/models/{model}/download.zip").content
    uploaded = server.post(
        "/models/upload_archive.json", files={"archive": ("model.zip", archive)}
    ).json()["id"]
    card = {"card_source": "This server", "card_licence": "MIT"}
    pretrained = server.post(f"/models/{model}/to_pretrained.json", data=card).json()["id"]
    return {
        "dataset": dataset,
        "pretrained": pretrained,
        "model": model,
        "evaluation": evaluation,
        "earlier": earlier,
        "features": features,
        "uploaded": uploaded,
    }


@pytest.fixture
def opened(
    request: pytest.FixtureRequest,
    server: ServerProcess,
    page: Page,
    jobs: dict[str, str],
    expected_complaints: list[str],
) -> Page:
    """The page that the test's parameter names."""
    if request.param in COMPLAINTS:
        expected_complaints.append(COMPLAINTS[request.param])
    page.goto(server.url + PAGES[request.param].format(**jobs))
    page.wait_for_load_state("networkidle")
    return page


every_page = pytest.mark.parametrize("opened", PAGES, indirect=True)


@every_page
def test_axe_finds_nothing_in_light_and_dark(opened: Page) -> None:
    check_by_axe(opened)


def test_axe_finds_nothing_where_a_picture_was_classified(
    server: ServerProcess, page: Page, jobs: dict[str, str], digits: Path
) -> None:
    page.goto(f"{server.url}/models/{jobs['model']}")
    picture = next((digits / "held_out").iterdir())
    page.get_by_label("Upload picture", exact=True).set_input_files(picture)
    page.get_by_role("button", name="Classify one").click()
    expect(page.locator("[data-classification]")).to_be_visible()
    check_by_axe(page)
    page.get_by_label("Show visualizations").check()
    page.get_by_role("button", name="Classify one").click()
    expect(page.get_by_role("region", name="Layer conv1")).to_be_visible()
    check_by_axe(page)


def test_axe_finds_nothing_in_dialogs_menus_and_messages(
    server: ServerProcess, page: Page, jobs: dict[str, str]
) -> None:
    page.goto(f"{server.url}/datasets/{jobs['dataset']}")
    page.get_by_role("button", name="New", exact=True).click()
    check_by_axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add notes").click()
    page.get_by_role("textbox", name="Notes").fill("**a**")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("link", name="LeNet")).to_be_visible()
    check_by_axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Cancel").click()
    page.goto(f"{server.url}/models/images/classification/new")
    page.get_by_role("button", name="About Training epochs").focus()
    expect(page.get_by_role("tooltip")).to_be_visible()
    check_by_axe(page)


def test_the_page_to_log_in_is_for_everybody(page: Page, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "digits.tools.user", "--jobs-dir", str(tmp_path / "jobs")]
    subprocess.run([*command, "add", "ada"], input=b"a long password\n", check=True)
    server = ServerProcess(tmp_path / "jobs").start()
    try:
        page.goto(server.url)
        expect(page.get_by_label("Password", exact=True)).to_be_visible()
        check_by_axe(page)
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.keyboard.type("ada")  # the field has the focus
        page.keyboard.press("Tab")
        page.keyboard.type("a long password")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Home")).to_be_visible()
        check_by_axe(page)
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    finally:
        server.stop()


def check_by_axe(opened: Page) -> None:
    """No violations, in light and dark, on a desk and on a phone."""
    opened.evaluate(AXE.read_text())
    for colours, size in product(("light", "dark"), (DESK, PHONE)):
        opened.set_viewport_size(size)
        # Without the fading of buttons, in the middle of which no contrast is right.
        opened.emulate_media(color_scheme=colours, reduced_motion="reduce")
        expect(opened.locator("html")).to_have_attribute("data-bs-theme", colours)
        # Targets of 24 pixels are asked for by WCAG 2.2 AA, but not among axe's defaults.
        found = opened.evaluate("axe.run({ rules: { 'target-size': { enabled: true } } })")
        problems = [
            f"{colours}: {violation['help']}: {[node['html'] for node in violation['nodes']]}"
            for violation in found["violations"]
        ]
        assert problems == []
        assert len(found["passes"]) > 20
    opened.set_viewport_size(DESK)


@every_page
def test_a_phone_shows_the_page_without_scrolling_sideways(opened: Page) -> None:
    opened.set_viewport_size(PHONE)
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_long_names_of_categories_do_not_widen_a_phone(
    server: ServerProcess, page: Page, jobs: dict[str, str]
) -> None:
    page.set_viewport_size(PHONE)
    page.goto(server.url + PAGES["evaluation"].format(**jobs))
    for choice in page.locator(".chooser option").all():
        choice.evaluate("option => { option.textContent = 'a_name_without_spaces'.repeat(5); }")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_phone_shows_what_came_of_a_job_before_its_history_and_the_way_back(
    server: ServerProcess, page: Page, jobs: dict[str, str]
) -> None:
    page.set_viewport_size(PHONE)
    page.goto(server.url + PAGES["evaluation"].format(**jobs))
    accuracy, status = page.locator("#accuracy"), page.locator("#job-status")
    assert accuracy.bounding_box()["y"] < status.bounding_box()["y"]  # type: ignore[index]
    crumbs = page.get_by_role("list", name="Where you are")
    expect(crumbs.get_by_role("link", name="LeNet")).to_be_visible()
    expect(crumbs.get_by_text("Evaluation")).to_be_hidden()


# Which stops of the Tab key show nothing where they are, of all that can be seen on the page.
UNSEEN_STOPS = """() => {
  const shows = (element) => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
  };
  const stops = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  return [...document.querySelectorAll(stops)]
    .filter((stop) => stop.checkVisibility({ visibilityProperty: true }) && !stop.disabled)
    .filter((stop) => {
      stop.focus();
      const isThere = document.activeElement === stop;
      return isThere && !shows(stop) && !(stop.closest("label") && shows(stop.closest("label")));
    })
    .map((stop) => stop.outerHTML.slice(0, 120));
}"""


def test_every_stop_of_the_keyboard_is_seen(
    server: ServerProcess, page: Page, jobs: dict[str, str], expected_complaints: list[str]
) -> None:
    expected_complaints.extend(COMPLAINTS.values())
    unseen: dict[str, list[str]] = {}
    for name, path in PAGES.items():
        page.goto(server.url + path.format(**jobs))
        page.keyboard.press("Tab")  # from now on the browser shows the focus of scripts, too
        unseen[name] = page.evaluate(UNSEEN_STOPS)
    assert {name: stops for name, stops in unseen.items() if stops} == {}


@every_page
def test_scripts_and_styles_stay_small(opened: Page) -> None:
    check_weight(opened)


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_no_page_holds_inline_code_or_styles(
    server: ServerProcess, jobs: dict[str, str], path: str
) -> None:
    answer = server.get(path.format(**jobs), headers={"Accept": "text/html"})
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", answer.text)
    scripts = re.findall(r"<script([^>]*)>", answer.text)
    assert all("src=" in attributes or "application/json" in attributes for attributes in scripts)
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_the_theme_switch_goes_round_and_is_kept(server: ServerProcess, page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(server.url)
    html = page.locator("html")
    switch = page.get_by_role("button", name=re.compile("Change the colors"))
    expect(html).to_have_attribute("data-bs-theme", "light")
    switch.click()  # from the system's choice to light
    switch.click()  # to dark
    expect(html).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(html).to_have_attribute("data-bs-theme", "dark")
    switch.click()  # back to the system's choice
    expect(html).to_have_attribute("data-bs-theme", "light")


def test_the_keyboard_reaches_the_content_first(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_question_mark_explains_its_field_on_focus(server: ServerProcess, page: Page) -> None:
    page.goto(f"{server.url}/datasets/images/classification/new")
    page.get_by_text("More options").click()
    page.get_by_role("button", name="About Resize transformation").focus()
    expect(page.get_by_role("tooltip")).to_contain_text("pictures of another shape")


def test_an_explanation_comes_by_finger_and_goes_by_escape(
    server: ServerProcess, page: Page
) -> None:
    page.goto(f"{server.url}/models/images/classification/new")
    tooltip = page.get_by_role("tooltip")
    page.get_by_role("button", name="About Training epochs").click()
    expect(tooltip).to_contain_text("30, the default")
    page.keyboard.press("Escape")
    expect(tooltip).to_have_count(0)
    page.get_by_text("More options").click()
    page.mouse.move(0, 0)
    page.get_by_role("button", name="About Crop size").hover()
    expect(tooltip).to_contain_text("random squares")
    tooltip.hover()  # it stays under the pointer
    expect(tooltip).to_contain_text("random squares")


def test_a_search_finds_jobs_while_typing(
    server: ServerProcess, page: Page, jobs: dict[str, str]
) -> None:
    page.goto(server.url)
    search = page.get_by_role("searchbox")
    search.press_sequentially("lenet")
    expect(page.get_by_role("link", name="Digits", exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="LeNet", exact=True).first).to_be_visible()
    expect(page).to_have_url(re.compile(r"search=lenet"))
    search.clear()
    expect(page.get_by_role("link", name="Digits", exact=True)).to_be_visible()


def test_fields_are_shown_when_they_apply(server: ServerProcess, page: Page) -> None:
    page.goto(f"{server.url}/datasets/images/classification/new")
    page.get_by_text("More options").click()
    share = page.get_by_label("% for validation", exact=True)
    folder = page.locator("#folder_val")
    expect(share).to_be_visible()
    expect(folder).to_be_hidden()
    page.get_by_label("Separate folder of validation pictures", exact=True).check()
    expect(share).to_be_hidden()
    expect(folder).to_be_visible()
    page.get_by_role("radio", name="Use text files").check()
    expect(page.get_by_label("Training pictures", exact=True).first).to_be_hidden()
    expect(page.get_by_label("Labels", exact=True).first).to_be_visible()


def test_a_refused_form_keeps_what_was_typed_and_says_what_to_mend(
    server: ServerProcess, page: Page, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    page.goto(f"{server.url}/datasets/images/classification/new")
    page.get_by_label("Width", exact=True).fill("64")
    folder = page.get_by_role("combobox", name="Training pictures")
    folder.fill("/nowhere/at/all")
    folder.press("Tab")
    name = page.get_by_label("Dataset name", exact=True)
    expect(name).to_have_value("all")  # a suggestion, which nobody has to take
    name.fill("")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("alert")).to_contain_text("could not be created")
    expect(page.get_by_text("/nowhere/at/all", exact=False).first).to_be_visible()
    expect(page.get_by_label("Width", exact=True)).to_have_value("64")
    expect(page.get_by_role("combobox", name="Training pictures")).to_be_focused()
    expect(page.get_by_label("Dataset name", exact=True)).to_have_attribute("aria-invalid", "true")
