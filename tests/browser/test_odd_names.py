"""A folder with names of every kind, and with files that are no pictures, sent by a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_choosing import choose, findings, open_form, progress
from tests.server_process import ServerProcess

CATEGORIES = ['100% "cotton" & <b>wool\'s #1?', "\u05d7\u05ea\u05d5\u05dc \u202ecats"]
NAMES = [
    'it\'s "quoted" `x` $(y).png',
    "%2e%2e%2f 50% #1 ?&=+;:,.png",
    "\U0001f431\u200d\U0001f680.png",
    "\u05d7\u05ea\u05d5\u05dc.png",
    "cafe\u0301.png",
    "caf\u00e9.png",
    "a\\b|c*.png",
    " leading and trailing .png",
    "-rf.png",
    "x" * 251 + ".png",
    "\u00e4" * 125 + "y.png",
    "no extension",
]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Two categories with all those names, and what nobody can make a picture of."""
    top = tmp_path / "odd %41 #folder"
    for category in CATEGORIES:
        (top / category).mkdir(parents=True)
        for number, name in enumerate(NAMES):
            grey = (number * 9, len(category), 77)
            Image.new("RGB", (8, 8), grey).save(top / category / name, "PNG")
    good = (top / CATEGORIES[0] / NAMES[0]).read_bytes()
    for name in ("line\nbreak.png", "line\u2028break.png", "vertical\x0btab.png"):
        (top / CATEGORIES[0] / name).write_bytes(good)
    (top / CATEGORIES[0] / "empty.png").write_bytes(b"")
    (top / CATEGORIES[0] / "page.jpg").write_bytes(b"<html>")
    (top / CATEGORIES[0] / "text").write_text("hello")
    (top / CATEGORIES[1] / ".hidden.png").write_bytes(good)
    (top / CATEGORIES[1] / "notes.txt").write_text("hello")
    return top


def test_every_name_becomes_part_of_the_dataset_or_is_told_with_the_reason(
    server: ServerProcess, page: Page, odd: Path
) -> None:
    open_form(server, page)
    choose(page, odd)
    expect(progress(page)).to_have_text(
        re.compile(r"All has arrived: 24 pictures, .* 6 files were not taken\.")
    )
    preview = page.get_by_role("region", name="Preview of the folder")
    expect(preview.get_by_role("status")).to_have_text(
        "2 categories, 24 pictures · all can be read"
    )
    preview.get_by_text("Not taken: 7 files").click()
    for words in (
        "empty.png the file is empty",
        "page.jpg not a picture, by its first bytes",
        "text not a picture, by its first bytes",
        "notes.txt not a picture, by its name",
        "its name has a line break",
    ):
        expect(preview).to_contain_text(words)
    expect(preview).not_to_contain_text("hidden")
    expect(preview.locator("dt").first).to_contain_text(CATEGORIES[0])
    assert findings(page) == []
    page.get_by_label("Width", exact=True).fill("8")
    page.get_by_label("Height", exact=True).fill("8")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("odd %41 #folder")
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    pictures = server.jobs_dir / page.url.rstrip("/").rpartition("/")[2] / "pictures"
    # Chromium says "a/b" of a file that is called "a\\b".
    assert {str(path.relative_to(pictures)) for path in pictures.rglob("*") if path.is_file()} == {
        f"{category}/{name}".replace("\\", "/") for category in CATEGORIES for name in NAMES
    }
