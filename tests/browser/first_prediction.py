"""The shortest way of a newcomer: from an empty home page to a first prediction, without a file.

Shared by the test that counts the clicks and the benchmark that measures the time.
"""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

TRAINING_MS = 240_000
# Counted where the pages are left, too: each click, by mouse or by key.
COUNT_CLICKS = """
  document.addEventListener("click", (event) => {
    if (!event.isTrusted) return;
    sessionStorage.setItem("clicks", Number(sessionStorage.getItem("clicks") ?? 0) + 1);
  }, true);
"""


def clicks_to_a_prediction(page: Page, url: str) -> int:
    """Walk that way on a server without jobs; how many clicks it took."""
    page.add_init_script(COUNT_CLICKS)
    page.goto(url)
    page.get_by_role("button", name="Make the sample dataset").click()
    page.get_by_role("link", name="Train LeNet on it").click()
    page.get_by_role("button", name="Create model").click()
    pictures = page.get_by_role("toolbar", name=re.compile("validation pictures"))
    expect(pictures.get_by_role("img")).to_have_count(12, timeout=TRAINING_MS)
    pictures.get_by_role("img").first.click()
    expect(page.get_by_role("list", name="Predictions")).to_be_visible()
    return int(page.evaluate("Number(sessionStorage.getItem('clicks'))"))
