"""Where a job stands on the pages, for the tests of all of them."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.server_process import ServerProcess

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


def small_digits(server: ServerProcess, digits: Path, **fields: str) -> str:
    """The id of a dataset of 28x28 pictures of handwritten digits."""
    form = {
        "dataset_name": "Digits",
        "folder_train": str(digits / "train"),
        "resize_channels": "1",
        "resize_width": "28",
        "resize_height": "28",
        **fields,
    }
    return server.made("/datasets/images/classification.json", form)


def trained_lenet(server: ServerProcess, dataset: str, **fields: str) -> str:
    """The id of a LeNet that has learned from a dataset."""
    form = {
        "model_name": "LeNet",
        "dataset": dataset,
        "method": "standard",
        "standard_networks": "lenet",
        **fields,
    }
    return server.made("/models/images/classification.json", form, timeout_s=240)


def open_job(server: ServerProcess, page: Page, name: str) -> None:
    page.goto(server.url)
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.wait_for_load_state()  # its scripts have run


def open_many(page: Page) -> None:
    """Show the part of the form that takes many pictures."""
    page.locator("#many-pictures").evaluate("part => { part.open = true; }")


def assert_no_serious_problem(page: Page) -> None:
    """axe finds nothing on the page as it is."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then((found) => found.violations)")
    problems = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
    assert problems == []


def job_badge(page: Page) -> Locator:
    return page.locator("#job-line [data-status-badge]")


def graph_words(page: Page, title: str) -> Locator:
    """What the graph of a panel says to those who cannot see it."""
    return (
        page.locator(".panel")
        .filter(has=page.get_by_role("heading", name=title))
        .locator("[data-graph-words]")
    )
