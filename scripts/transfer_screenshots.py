"""Take the pictures of docs/transfer-learning.md from the running program.

    python -m scripts.transfer_screenshots docs/images

Goes the way of the sample in color, by all defaults but for the search of the settings: needs the
font Noto Color Emoji, and what `scripts/set-up --tests` installs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from tests.browser.chromium import launch
from tests.server_process import ServerProcess

DESK: ViewportSize = {"width": 1280, "height": 860}
TIMEOUT_MS = 300_000
# A search and a training on a busy machine.
TRAINING_MS = 1_200_000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the PNG files go")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="digits-") as temporary:
        server = ServerProcess(Path(temporary) / "jobs").start()
        try:
            with sync_playwright() as playwright:
                browser = launch(playwright)
                page = browser.new_page(
                    viewport=DESK, color_scheme="light", reduced_motion="reduce"
                )
                take_pictures(page, server, folder)
                browser.close()
        finally:
            server.stop()
    return 0


def take_pictures(page: Page, server: ServerProcess, folder: Path) -> None:
    """From the empty home page to the table of the search, and the file of features."""
    expect.set_options(timeout=TIMEOUT_MS)
    page.set_default_timeout(TIMEOUT_MS)  # the estimate of the form times some iterations
    page.goto(server.url)
    page.get_by_role("button", name="Make one in color").click()
    page.get_by_role("link", name="Train EfficientNet-Lite0 on it").click()
    page.get_by_role("checkbox", name="Find the best learning rate").check()
    take(page, folder / "transfer-new.png")
    page.get_by_role("button", name="Create model").click()
    badge = page.locator("#job-line [data-status-badge]")
    expect(badge).to_have_text("Done", timeout=TRAINING_MS)
    page.reload()
    take(page, folder / "transfer-search.png")
    page.get_by_role("link", name="Files", exact=True).click()
    button = page.get_by_role("button", name="Make features.h5")
    button.scroll_into_view_if_needed()
    take(page, folder / "transfer-files.png")
    button.click()
    expect(badge).to_have_text("Done")
    page.reload()
    take(page, folder / "transfer-features.png")


def take(page: Page, path: Path) -> None:
    """One picture of what the window shows, once nothing is loading any more."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    sys.exit(main())
