"""A dataset from an archive that is dropped on the form, and a look at its pictures."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.pictures import make_class_folders
from tests.server_process import ServerProcess

DROP = """([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  const form = document.querySelector("form[data-new-job]");
  for (const kind of ["dragover", "drop"]) {
    const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    form.querySelector("h2").dispatchEvent(event);
  }
}"""


def zipped(folder: Path, pictures_per_class: int) -> str:
    """A zip of some pictures of each class, in base64."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for class_folder in sorted(folder.iterdir()):
            for path in sorted(class_folder.iterdir())[:pictures_per_class]:
                archive.write(path, path.relative_to(folder))
    return base64.b64encode(file.getvalue()).decode()


def test_a_dropped_archive_is_uploaded_and_its_pictures_can_be_explored(
    server: ServerProcess, page: Page, digits: Path, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    page.goto(f"{server.url}/datasets/images/classification/new")
    page.wait_for_load_state("networkidle")
    page.evaluate(DROP, [zipped(digits / "train", 8), "digits.zip"])
    expect(page.get_by_role("radio", name="Upload an archive")).to_be_checked()
    expect(page.get_by_label("Archive", exact=True)).to_have_value(re.compile(r"digits\.zip$"))
    page.get_by_label("Width", exact=True).fill("28")
    page.get_by_label("Height", exact=True).fill("28")
    page.get_by_role("button", name="Create dataset").click()
    # Refused for its missing name, with the archive still chosen.
    expect(page.get_by_label("Dataset name", exact=True)).to_be_focused()
    expect(page.locator(".field-error")).to_have_text([re.compile("name is empty")])
    page.get_by_label("Dataset name", exact=True).fill("Dropped digits")
    page.get_by_role("button", name="Create dataset").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Dropped digits")
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    # Without loading the page again: six of eight pictures are for training.
    expect(page.get_by_role("img", name=re.compile("Picture .*, 7$"))).to_have_count(6)
    page.get_by_role("link", name="Explore", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explore Dropped digits")
    expect(page.locator(".thumbs img")).to_have_count(60)
    page.get_by_label("Category").select_option(label="3 (6)")
    expect(page.locator(".thumbs img")).to_have_count(6)
    page.get_by_label("Database").select_option("val")
    expect(page.locator(".thumbs img")).to_have_count(2)
    page.locator(".thumbs a").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"\.png$"))
    whole = page.locator(".picture-large img").get_attribute("src")
    assert server.get(str(whole)).headers["Content-Type"] == "image/png"


def test_a_folder_that_is_split_already_is_told_before_anything_is_made(
    server: ServerProcess, page: Page, tmp_path: Path
) -> None:
    for name in ("train", "Validation"):
        make_class_folders(tmp_path / "published" / name, pictures=3)
    page.goto(f"{server.url}/datasets/images/classification/new")
    told = page.locator("[data-split-seen]")
    expect(told).to_be_hidden()
    page.get_by_role("combobox", name="Training pictures").fill(str(tmp_path / "published"))
    page.get_by_label("Dataset name", exact=True).click()
    expect(told).to_have_text(
        "This folder has Validation, train in it. They are used as the split."
    )
    page.get_by_text("More options").click()
    page.get_by_label("Folders train, val, test", exact=True).select_option("off")
    expect(told).to_contain_text("They become categories.")
    page.get_by_role("combobox", name="Training pictures").fill(str(tmp_path))
    page.get_by_label("Dataset name", exact=True).click()
    expect(told).to_be_hidden()
