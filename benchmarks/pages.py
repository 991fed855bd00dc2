"""How soon each page shows its content, and what it loads, in a real Chromium on this machine.

    python -m benchmarks.pages [--repeats 7]

Starts a server with a small dataset and two models of its own. Of each page: the median of the
milliseconds until the first content is painted and until everything is loaded, as the browser's
performance API tells them (the first visit is left out: later ones have scripts in the cache); and
the scripts and styles compressed. The figures to stay below are 300 ms and 250 kB.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import launch
from tests.browser.weight import transferred
from tests.model.requests import TINY, dataset_form
from tests.pictures import make_class_folders
from tests.server_process import ServerProcess

PAGES = {
    "home": "/",
    "new dataset": "/datasets/images/classification/new",
    "new model": "/models/images/classification/new",
    "dataset": "/datasets/{dataset}",
    "model": "/models/{model}",
    "large graph": "/models/images/classification/large_graph?job_id={model}",
    "compare": "/models/compare?ids={model},{other}",
}
TIMES = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return { painted: paint?.startTime ?? NaN, loaded: page.loadEventEnd };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "jobs").start()
        try:
            jobs = make_jobs(server, Path(folder))
            measure(server, jobs, options.repeats)
        finally:
            server.stop()


def measure(server: ServerProcess, jobs: dict[str, str], repeats: int) -> None:
    """Print a line a page."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for name, path in PAGES.items():
            page = browser.new_page()
            address = server.url + path.format(**jobs)
            page.goto(address, wait_until="networkidle")
            kilobytes = sum(transferred(page).values()) / 1000
            visits = [visit(page, address) for _ in range(repeats)]
            painted, loaded = (
                statistics.median(times[what] for times in visits) for what in ("painted", "loaded")
            )
            print(
                f"{name:12} {painted:4.0f} ms painted, {loaded:4.0f} ms loaded, {kilobytes:.0f} kB"
            )
            page.close()
        browser.close()


def visit(page: Page, address: str) -> dict[str, float]:
    """The times of one more visit."""
    page.goto(address, wait_until="networkidle")
    times: dict[str, float] = page.evaluate(TIMES)
    return times


def make_jobs(server: ServerProcess, folder: Path) -> dict[str, str]:
    """The ids of a dataset and of two models trained on it."""
    pictures = make_class_folders(folder / "pictures", classes=3, pictures=12, mode="L")
    found = {"dataset": finished(server, "datasets", dataset_form(pictures))}
    form = {"dataset": found["dataset"], "method": "custom", "custom_network": TINY}
    for name, epochs in (("model", "6"), ("other", "3")):
        fields = {**form, "model_name": name, "train_epochs": epochs}
        found[name] = finished(server, "models", fields)
    return found


def finished(server: ServerProcess, kind: str, form: dict[str, str]) -> str:
    """The id of a new job that is done."""
    job_id = str(server.post(f"/{kind}/images/classification.json", data=form).json()["id"])
    server.wait_for_status(job_id, "Done")
    return job_id


if __name__ == "__main__":
    main()
