"""Take the documentation's pictures from the running program.

    python -m scripts.screenshots docs/images

Starts a server with its own jobs directory, makes a dataset of scikit-learn's handwritten digits
and trains LeNet on it as a user would, and writes one PNG a page. Needs what
`scripts/set-up --tests` installs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser.chromium import launch
from tests.server_process import ServerProcess

DESK: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 800}
TIMEOUT_MS = 300_000


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the documentation's pictures.")
    parser.add_argument("folder", type=Path, help="where the PNG files go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="digits-") as temporary:
        top = Path(temporary)
        digits = top / "digits"
        command = [sys.executable, "-m", "digits.tools.download_data", "digits", str(digits)]
        subprocess.run(command, check=True)
        server = ServerProcess(top / "jobs").start()
        try:
            take_pictures(server, digits, folder)
        finally:
            server.stop()
    return 0


def take_pictures(server: ServerProcess, digits: Path, folder: Path) -> None:
    """Walk through the program as a newcomer does."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = opened(browser, DESK, "light")
        page.goto(server.url)
        take(page, folder / "home-empty.png")
        upload_folder(page, server, digits, folder)
        make_dataset(page, server, digits, folder)
        train_model(page, server, folder)
        classify(page, next((digits / "7").iterdir()), folder)
        export(page, server, next((digits / "7").iterdir()), folder)
        keep_as_pretrained(page, server, folder)
        page.goto(server.url)
        take(page, folder / "home.png")
        page.emulate_media(color_scheme="dark")
        take(page, folder / "home-dark.png")
        open_model(page)
        take(page, folder / "model-dark.png")
        address = page.url
        page = opened(browser, PHONE, "dark")
        page.goto(address)
        take(page, folder / "model-phone.png")
        browser.close()


def opened(browser: Browser, size: ViewportSize, colors: Literal["dark", "light"]) -> Page:
    """A page as patient as a loaded machine needs, with nothing that moves."""
    page = browser.new_page(viewport=size, color_scheme=colors, reduced_motion="reduce")
    page.set_default_timeout(TIMEOUT_MS)
    return page


def upload_folder(page: Page, server: ServerProcess, digits: Path, folder: Path) -> None:
    page.goto(f"{server.url}/datasets/images/classification/new")
    page.wait_for_load_state("networkidle")
    page.get_by_role("radio", name="Upload a folder").check()
    page.get_by_label("Folder of your computer", exact=True).set_input_files(digits)
    expect(page.locator(".preview-words")).to_contain_text("all can be read")
    take(page, folder / "dataset-upload.png")


def make_dataset(page: Page, server: ServerProcess, digits: Path, folder: Path) -> None:
    page.goto(f"{server.url}/datasets/images/classification/new")
    page.get_by_label("Picture type", exact=True).select_option(label="Grayscale")
    page.get_by_label("Width", exact=True).fill("28")
    page.get_by_label("Height", exact=True).fill("28")
    page.get_by_role("combobox", name="Training pictures").fill(str(digits))
    page.get_by_label("Dataset name", exact=True).fill("Handwritten digits")
    take(page, folder / "dataset-new.png")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    take(page, folder / "dataset.png")
    page.get_by_role("link", name="Explore", exact=True).click()
    take(page, folder / "explore.png")
    page.go_back()


def train_model(page: Page, server: ServerProcess, folder: Path) -> None:
    page.get_by_role("link", name="New model").click()
    page.get_by_role("radio", name="LeNet", exact=True).check()
    page.get_by_label("Training epochs", exact=True).fill("15")
    page.get_by_label("Model name", exact=True).fill("LeNet on digits")
    take(page, folder / "model-new.png")
    page.get_by_role("button", name="Create model").click()
    # Half-way: the curves have a shape, the bar has somewhere to go.
    try_it = page.get_by_role("region", name="Try it")
    snapshots = try_it.get_by_label("Snapshot", exact=True).locator("option")
    expect(snapshots.nth(7)).to_be_attached()
    take(page, folder / "model-training.png")
    page.get_by_role("link", name="Log", exact=True).click()
    page.get_by_role("link", name="Open the log on its own page").click()
    expect(page.get_by_role("log")).to_contain_text("Iteration")
    take(page, folder / "log.png")
    page.go_back()
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")


def classify(page: Page, picture: Path, folder: Path) -> None:
    page.get_by_label("Upload picture", exact=True).set_input_files(picture)
    page.get_by_role("button", name="Classify one").click()
    result = page.locator("[data-classification]")
    expect(result).to_be_visible()
    result.scroll_into_view_if_needed()
    take(page, folder / "classified.png")
    page.get_by_label("Show visualizations").check()
    page.get_by_role("button", name="Classify one").click()
    expect(page.get_by_role("region", name="Layer conv1")).to_be_visible()
    take(page, folder / "layers.png")
    page.go_back()
    page.locator("#many-pictures > summary").click()
    page.get_by_label("or a database of the dataset", exact=True).select_option("val")
    page.get_by_role("button", name="Classify many").click()
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    take(page, folder / "evaluation.png")


def export(page: Page, server: ServerProcess, picture: Path, folder: Path) -> None:
    """The model for elsewhere: int8 beside the model as it was learned, and the offline page."""
    page.goto(server.url)
    open_model(page)
    page.get_by_role("link", name="Export", exact=True).click()
    exports = page.url
    for choice in ("Whole numbers of 8 bits", "A page that works anywhere"):
        page.goto(exports)
        page.get_by_label(choice).check()
        page.get_by_role("button", name="Export", exact=True).click()
        expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
        if choice.endswith("bits"):
            expect(page.get_by_role("region", name="Before and after int8")).to_be_visible()
            take(page, folder / "export-int8.png")
    with page.expect_download() as download, tempfile.TemporaryDirectory() as elsewhere:
        page.get_by_role("link", name="Download", exact=True).click()
        offline = Path(elsewhere) / "classify.html"
        download.value.save_as(offline)
        page.goto(offline.as_uri())
        expect(page.get_by_role("status")).to_contain_text("Ready.")
        page.get_by_label("Choose pictures").set_input_files(picture)
        expect(page.locator(".answer .predictions li")).to_have_count(5)
        take(page, folder / "export-page.png")
    page.goto(exports)
    take(page, folder / "export.png")


def keep_as_pretrained(page: Page, server: ServerProcess, folder: Path) -> None:
    """A trained model's weights for others, and the forms that they stand in."""
    page.goto(f"{server.url}/pretrained_models/new")
    page.get_by_label("Name", exact=True).fill("ResNet-18")
    page.get_by_label("Network of torchvision", exact=True).select_option("resnet18")
    page.get_by_label("Source", exact=True).fill("https://pytorch.org/vision/stable/models.html")
    page.get_by_label("Licence", exact=True).fill("BSD-3-Clause")
    page.get_by_label("Data that it learned from", exact=True).fill("ImageNet (ILSVRC 2012)")
    take(page, folder / "pretrained-new.png")
    page.goto(server.url)
    open_model(page)
    page.goto(f"{page.url}?tab=files")
    page.get_by_label("Licence", exact=True).fill("CC BY 4.0")
    page.get_by_label("Limits", exact=True).fill("Digits written with a pen, of 8 x 8 pixels.")
    page.get_by_role("button", name="Make a pretrained model").click()
    page.get_by_role("region", name="Pretrained models").get_by_role("link").last.click()
    page.locator("#pretrained-card").scroll_into_view_if_needed()
    take(page, folder / "pretrained-model.png")
    page.get_by_role("link", name="New model").click()
    take(page, folder / "pretrained-tab.png")


def open_model(page: Page) -> None:
    """From the home page, where a pretrained model may have the same name."""
    models = page.locator("#models-list")
    models.get_by_role("link", name="LeNet on digits", exact=True).click()


def take(page: Page, path: Path) -> None:
    """One picture of what the window shows, once nothing is loading or being measured any more."""
    page.wait_for_load_state("networkidle")
    expect(page.locator("main [aria-busy='true']")).to_have_count(0)
    page.mouse.move(0, 0)
    page.screenshot(path=path, animations="disabled")
    print(path)


if __name__ == "__main__":
    sys.exit(main())
