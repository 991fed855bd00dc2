"""How long, and how many clicks, it takes a newcomer to come to a first prediction.

    python -m benchmarks.first_prediction

Drives a real Chromium over the sample dataset and LeNet, without a pause between the clicks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.chromium import launch
from tests.browser.conftest import PATIENCE_MS
from tests.browser.first_prediction import clicks_to_a_prediction
from tests.server_process import ServerProcess


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    expect.set_options(timeout=PATIENCE_MS)
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "jobs").start()
        try:
            with sync_playwright() as playwright:
                browser = launch(playwright)
                page = browser.new_page()
                began_s = time.perf_counter()
                clicks = clicks_to_a_prediction(page, server.url)
                print(f"{clicks} clicks, {time.perf_counter() - began_s:.1f} s")
                browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
