"""A folder of one's own computer, or of the server, is looked at and becomes a dataset."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from digits.sources.folders import PICTURE_EXTENSIONS
from tests.browser.first_prediction import clicks_to_a_prediction
from tests.browser.test_pages import AXE
from tests.pictures import make_class_folders
from tests.server_process import ServerProcess

NEW = "/datasets/images/classification/new"
FILES = "**/uploads/*/files.json"
JS = Path(__file__).parents[2] / "static" / "js" / "datasets" / "choosing"


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    folder = make_class_folders(tmp_path / "my_flowers", pictures=4)
    (folder / "class_0" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nhello")
    (folder / "class_0" / "page.png").write_bytes(b"<html>")
    (folder / "class_1" / "notes.txt").write_text("hello")
    (folder / "class_1" / ".hidden.png").write_text("hello")
    shutil.copy(folder / "class_0" / "1.png", folder / "class_1" / "copy.png")
    return folder


def open_form(server: ServerProcess, page: Page) -> None:
    page.goto(server.url + NEW)
    page.wait_for_load_state("networkidle")
    page.get_by_role("radio", name="Upload a folder").check()


def choose(page: Page, folder: Path) -> None:
    page.get_by_label("Folder of your computer", exact=True).set_input_files(folder)


def progress(page: Page) -> Locator:
    return page.locator("[data-folder-words]")


def waiting(server: ServerProcess) -> list[dict[str, Any]]:
    """The uploads of which no dataset was made."""
    found: list[dict[str, Any]] = server.get("/datasets/images/classification/uploads.json").json()[
        "uploads"
    ]
    return found


def findings(page: Page) -> list[Any]:
    """What axe finds on the page as it stands."""
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in result["violations"]]


def test_a_folder_is_uploaded_looked_at_and_made_a_dataset(
    server: ServerProcess, page: Page, flowers: Path
) -> None:
    open_form(server, page)
    choose(page, flowers)
    expect(progress(page)).to_have_text(
        re.compile(r"All has arrived: 10 pictures, .* 1 file was not taken\.")
    )
    preview = page.get_by_role("region", name="Preview of the folder")
    expect(preview.get_by_role("status")).to_have_text("2 categories, 10 pictures · 1 broken")
    expect(preview.get_by_role("img", name=re.compile("^class 0: "))).to_have_count(4)
    expect(preview).to_contain_text("class_1/copy.png is class_0/1.png")
    preview.get_by_text("Broken: they will be left out: 1 file").click()
    expect(preview).to_contain_text("class_0/broken.png")
    preview.get_by_text("Not taken: 2 files").click()
    expect(preview).to_contain_text("class_0/page.png not a picture, by its first bytes")
    expect(preview).to_contain_text("class_1/notes.txt")
    assert findings(page) == []
    expect(page.get_by_label("Dataset name", exact=True)).to_have_value("my flowers")
    page.get_by_label("Width", exact=True).fill("16")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("my flowers")
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    expect(page.locator("#dataset-warnings")).to_contain_text("1.png")
    expect(page.locator("#dataset-warnings")).to_contain_text("1 picture was left out")


def test_after_a_reload_only_what_is_missing_is_sent(
    server: ServerProcess, page: Page, tmp_path: Path, expected_complaints: list[str]
) -> None:
    expected_complaints.append("net::ERR")
    folder = make_class_folders(tmp_path / "many", pictures=60)
    open_form(server, page)
    answered: list[str] = []

    def first_alone(route: Route) -> None:
        answered.append(route.request.url)
        route.continue_() if len(answered) == 1 else route.abort()

    page.route(
        FILES,
        lambda route: first_alone(route) if route.request.method == "POST" else route.continue_(),
    )
    choose(page, folder)
    expect(progress(page)).to_contain_text("the connection is lost")
    page.unroute_all(behavior="ignoreErrors")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.get_by_role("radio", name="Upload a folder").check()
    unfinished = page.get_by_role("list", name="Uploads that wait")
    expect(unfinished).to_contain_text(re.compile("“many”: 50 of 120 pictures have arrived"))
    choose(page, folder)
    expect(progress(page)).to_have_text(re.compile("All has arrived: 120 pictures"))
    (upload,) = [each for each in waiting(server) if each["name"] == "many"]
    assert upload["files"] == 120


def test_a_lost_connection_is_waited_for(
    server: ServerProcess, page: Page, tmp_path: Path, expected_complaints: list[str]
) -> None:
    expected_complaints.append("net::ERR")
    open_form(server, page)
    lost = {"count": 0}

    def lose_two(route: Route) -> None:
        lost["count"] += route.request.method == "POST"
        route.abort() if route.request.method == "POST" and lost[
            "count"
        ] <= 2 else route.continue_()

    page.route(FILES, lose_two)
    choose(page, make_class_folders(tmp_path / "lost", pictures=2))
    expect(progress(page)).to_have_text(re.compile("All has arrived: 4 pictures"))
    assert lost["count"] == 3


def test_the_folder_that_was_chosen_last_is_used(
    server: ServerProcess, page: Page, tmp_path: Path
) -> None:
    open_form(server, page)
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        is_first = route.request.method == "POST" and not held
        held.append(route) if is_first else route.continue_()

    page.route(re.compile(r"/uploads\.json$"), hold_first)
    with page.expect_request(lambda request: request.method == "POST"):
        choose(page, make_class_folders(tmp_path / "first", pictures=2))
    choose(page, make_class_folders(tmp_path / "second", pictures=3))
    expect(progress(page)).to_contain_text("All has arrived: 6 pictures")
    with page.expect_response(re.compile("/files\\.json$")):
        held[0].continue_()
    expect(progress(page)).to_contain_text("All has arrived: 6 pictures")
    ids = {each["name"]: each["id"] for each in waiting(server)}
    expect(page.locator("[name='upload']")).to_have_value(ids["second"])
    chosen = page.locator("#upload-folder")
    with page.expect_file_chooser():
        chosen.click()
    # So that the same folder can be chosen again.
    assert chosen.evaluate("input => input.files.length") == 0


def test_what_was_uploaded_is_used_or_removed_later(
    server: ServerProcess, page: Page, tmp_path: Path
) -> None:
    open_form(server, page)
    choose(page, make_class_folders(tmp_path / "kept", pictures=2))
    expect(progress(page)).to_contain_text("All has arrived")
    page.goto(server.url + NEW)
    page.get_by_role("radio", name="Upload a folder").check()
    page.get_by_role("button", name="Use it: kept").click()
    expect(page.get_by_role("region", name="Preview of the folder")).to_contain_text(
        "2 categories, 4 pictures"
    )
    expect(page.get_by_label("Dataset name", exact=True)).to_have_value("kept")
    page.get_by_role("button", name="Remove: kept").click()
    expect(page.get_by_role("button", name="Remove: kept")).to_have_count(0)
    names = [each["name"] for each in waiting(server)]
    assert "kept" not in names


def test_a_folder_of_the_server_is_found_by_keys_and_looked_at(
    server: ServerProcess, page: Page, tmp_path: Path
) -> None:
    make_class_folders(tmp_path / "top" / "sea_shells", pictures=2)
    page.goto(server.url + NEW)
    page.wait_for_load_state("networkidle")
    page.get_by_role("combobox", name="Training pictures").fill(str(tmp_path / "top"))
    browse = page.get_by_role("button", name="Browse: Training pictures")
    browse.focus()
    page.keyboard.press("Enter")
    group = page.get_by_role("group", name="Folders of the server: Training pictures")
    expect(group.locator(".path")).to_have_text(str(tmp_path / "top"))
    expect(group.locator(".path")).to_be_focused()
    group.get_by_role("button", name="sea_shells").focus()
    page.keyboard.press("Enter")
    expect(group.get_by_role("status")).to_have_text("2 folders")
    assert findings(page) == []
    group.get_by_role("button", name="Use this folder").click()
    expect(page.get_by_role("combobox", name="Training pictures")).to_have_value(
        f"{tmp_path}/top/sea_shells"
    )
    preview = page.get_by_role("region", name="Preview of the folder")
    expect(preview.get_by_role("status")).to_have_text("2 categories, 4 pictures · all can be read")
    expect(page.get_by_label("Dataset name", exact=True)).to_have_value("sea shells")
    expect(browse).to_be_focused()


def test_a_name_that_is_typed_takes_the_place_of_the_suggested_one(
    server: ServerProcess, page: Page, tmp_path: Path
) -> None:
    """What used to happen: it was added to the one that appeared at the click."""
    page.goto(server.url + NEW)
    folder = page.get_by_role("combobox", name="Training pictures")
    folder.press_sequentially(str(make_class_folders(tmp_path / "shells")))
    name = page.get_by_label("Dataset name", exact=True)
    name.click()
    expect(name).to_have_value("shells")
    page.keyboard.type("From the beach")
    expect(name).to_have_value("From the beach")


def test_a_folder_of_no_categories_says_what_to_do(
    server: ServerProcess, page: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "flat"
    shutil.copytree(make_class_folders(tmp_path / "all") / "class_0", folder)
    open_form(server, page)
    choose(page, folder)
    expect(page.locator(".folder-preview .notice-danger")).to_contain_text(
        "Make a sub-folder for each category"
    )


def test_a_folder_is_dropped_on_the_form(server: ServerProcess, page: Page, tmp_path: Path) -> None:
    folder = make_class_folders(tmp_path / "dropped", pictures=3)
    (folder / "class_0" / "notes.txt").write_text("hello")
    page.goto(server.url + NEW)
    page.wait_for_load_state("networkidle")
    drop(page, page.get_by_role("heading", name="Pictures", exact=True), folder)
    expect(progress(page)).to_have_text(re.compile("All has arrived: 6 pictures"))
    expect(page.get_by_role("radio", name="Upload a folder")).to_be_checked()
    expect(page.get_by_role("region", name="Preview of the folder")).to_contain_text(
        "2 categories, 6 pictures"
    )
    # A folder is the same, dropped or chosen.
    choose(page, folder)
    expect(progress(page)).to_have_text(re.compile("All has arrived: 6 pictures"))
    assert [each["name"] for each in waiting(server)].count("dropped") == 1


def drop(page: Page, place: Locator, folder: Path) -> None:
    """Drop a folder as a file manager does."""
    box = place.bounding_box()
    assert box is not None
    devices = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devices.send(
            "Input.dispatchDragEvent", {"type": kind, "x": box["x"], "y": box["y"], "data": data}
        )


def test_more_pictures_than_may_be_are_refused_before_anything_is_sent(
    server: ServerProcess, page: Page, tmp_path: Path
) -> None:
    script = (JS / "picked.js").read_text()
    assert "MOST_FILES = 200_000" in script
    few = script.replace("MOST_FILES = 200_000", "MOST_FILES = 5")
    page.route(
        re.compile("choosing/picked.*[.]js"),
        lambda route: route.fulfill(body=few, content_type="text/javascript"),
    )
    open_form(server, page)
    choose(page, make_class_folders(tmp_path / "large", pictures=3))
    expect(page.get_by_role("alert")).to_contain_text(
        "This folder has more than 5 pictures. Copy it to the server, and use it there."
    )
    expect(progress(page)).to_be_hidden()
    choose(page, make_class_folders(tmp_path / "small", pictures=2))
    expect(progress(page)).to_contain_text("All has arrived: 4 pictures")
    assert "large" not in [each["name"] for each in waiting(server)]


def test_browser_and_server_agree_on_what_a_picture_is_called() -> None:
    found = re.search(r"PICTURE = (/.*/)i;", (JS / "picked.js").read_text())
    assert found is not None
    pattern = re.compile(found[1].strip("/"), re.IGNORECASE)
    assert [each for each in sorted(PICTURE_EXTENSIONS) if not pattern.search(f"a{each}")] == []


@pytest.mark.slow
def test_from_nothing_to_a_prediction_takes_five_clicks_at_most(tmp_path: Path, page: Page) -> None:
    """Without a file at hand; `benchmarks.first_prediction` measures the time."""
    empty = ServerProcess(tmp_path / "jobs").start()
    try:
        assert 0 < clicks_to_a_prediction(page, empty.url) <= 5
    finally:
        empty.stop()
