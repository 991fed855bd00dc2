"""The same form in several tabs of a browser: each upload is its own, and nothing of it is left."""

from __future__ import annotations

import os
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.test_choosing import choose, open_form, progress, waiting
from tests.server_process import ServerProcess

FILES = re.compile(r"/uploads/[0-9a-f]+/files\.json$")
# More than one request has.
PICTURES = 60


def flat_folder(folder: Path, red: int) -> Path:
    """Two categories of pictures, whose sizes and times are the same in every such folder."""
    for label in ("cats", "dogs"):
        (folder / label).mkdir(parents=True)
        for number in range(PICTURES):
            path = folder / label / f"{number}.bmp"
            Image.new("RGB", (8, 8), (red, number, len(label))).save(path)
            os.utime(path, (1e9, 1e9))
    return folder


def another_tab(server: ServerProcess, page: Page) -> Page:
    tab = page.context.new_page()
    tab.set_default_timeout(60_000)
    open_form(server, tab)
    return tab


def make(page: Page, name: str) -> str:
    """The id of the dataset that is made of what has arrived."""
    page.get_by_label("Dataset name", exact=True).fill(name)
    page.get_by_label("Width", exact=True).fill("8")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    return page.url.rstrip("/").rpartition("/")[2]


def is_sent(request: Request) -> bool:
    """Whether a request brings pictures."""
    return request.method == "POST" and FILES.search(request.url) is not None


def lose_all_but_one(page: Page) -> None:
    """Let one request with pictures through, and lose the others."""
    let_through: list[str] = []

    def answer(route: Route) -> None:
        if not is_sent(route.request):
            route.continue_()
        elif let_through:
            route.abort()
        else:
            let_through.append(route.request.url)
            route.continue_()

    page.route(FILES, answer)


def pictures_of(server: ServerProcess, job_id: str) -> dict[str, bytes]:
    return contents(server.jobs_dir / job_id / "pictures")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.bmp")}


def folders_left(server: ServerProcess) -> list[str]:
    """What is on the disk of the uploads that nobody knows of."""
    known = {each["id"] for each in waiting(server)}
    return [
        path.name for path in (server.jobs_dir / ".uploads").iterdir() if path.name not in known
    ]


def test_folders_of_one_name_and_size_stay_apart(
    server: ServerProcess, page: Page, tmp_path: Path
) -> None:
    folders = [
        flat_folder(tmp_path / place / "data", red) for place, red in (("a", 10), ("b", 200))
    ]
    open_form(server, page)
    tabs = [page, another_tab(server, page)]
    for tab, folder in zip(tabs, folders, strict=True):
        choose(tab, folder)
    for tab in tabs:
        expect(progress(tab)).to_have_text(re.compile("All has arrived: 120 pictures"))
    assert len([each for each in waiting(server) if each["name"] == "data"]) == 2
    jobs = [make(tab, f"Tab {number}") for number, tab in enumerate(tabs)]
    assert [pictures_of(server, job) for job in jobs] == [contents(each) for each in folders]
    assert [each for each in waiting(server) if each["name"] == "data"] == []
    assert folders_left(server) == []


def test_the_same_folder_in_two_tabs_becomes_a_dataset_in_each(
    server: ServerProcess, page: Page, tmp_path: Path, expected_complaints: list[str]
) -> None:
    expected_complaints.extend(["400", "404"])  # of a form and a preview of what is gone
    folder = flat_folder(tmp_path / "both", 90)
    open_form(server, page)
    other = another_tab(server, page)
    choose(page, folder)
    expect(progress(page)).to_contain_text("All has arrived")
    choose(other, folder)
    # It is the same upload: nothing is sent again.
    expect(progress(other)).to_have_text(re.compile("All has arrived: 120 pictures"))
    assert len([each for each in waiting(server) if each["name"] == "both"]) == 1
    first = make(other, "Other tab")
    page.get_by_label("Width", exact=True).fill("8")
    page.get_by_role("button", name="Create dataset").click()
    alert = page.get_by_text("a dataset was made of it").first
    expect(alert).to_contain_text("Upload the folder again")
    choose(page, folder)
    expect(progress(page)).to_have_text(re.compile("All has arrived: 120 pictures"))
    second = make(page, "First tab")
    assert pictures_of(server, first) == pictures_of(server, second) == contents(folder)
    assert folders_left(server) == []


def test_a_tab_is_closed_and_another_reloaded_while_both_upload(
    server: ServerProcess, page: Page, tmp_path: Path, expected_complaints: list[str]
) -> None:
    expected_complaints.append("net::ERR")
    gone = flat_folder(tmp_path / "gone", 30)
    again = flat_folder(tmp_path / "again", 60)
    open_form(server, page)
    other = another_tab(server, page)
    for tab, folder in ((other, gone), (page, again)):
        lose_all_but_one(tab)
        choose(tab, folder)
        expect(progress(tab)).to_have_text(re.compile("^50 of 120 pictures"))
    other.close()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.unroute_all(behavior="ignoreErrors")
    page.get_by_role("radio", name="Upload a folder").check()
    unfinished = page.get_by_role("list", name="Uploads that wait")
    for name in ("gone", "again"):
        expect(unfinished).to_contain_text(f"“{name}”: 50 of 120 pictures have arrived")
    page.get_by_role("button", name="Remove: gone").click()
    expect(page.get_by_role("button", name="Remove: gone")).to_have_count(0)
    sent: list[str] = []
    page.on("request", lambda request: is_sent(request) and sent.append(request.url))
    choose(page, again)
    expect(progress(page)).to_have_text(re.compile("All has arrived: 120 pictures"))
    assert len(sent) == 2, "what had arrived is not sent again"
    job = make(page, "Again")
    assert pictures_of(server, job) == contents(again)
    names = {each["name"] for each in waiting(server)}
    assert not names & {"gone", "again"}
    assert folders_left(server) == []
