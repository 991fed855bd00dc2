"""What a page has loaded, as it travels in production: scripts and styles compressed by gzip."""

from __future__ import annotations

import gzip

import requests
from playwright.sync_api import Page

# What a page may take; nginx.site compresses at this level, too.
MOST_BYTES = 250_000
GZIP_LEVEL = 6


def transferred(page: Page) -> dict[str, int]:
    """Compressed bytes by address of the scripts and styles that the page has loaded so far."""
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    addresses = {name.partition("?")[0] for name in loaded}
    return {
        address: len(gzip.compress(requests.get(address, timeout=60).content, GZIP_LEVEL))
        for address in sorted(addresses)
        if address.endswith((".js", ".css"))
    }


def check_weight(page: Page) -> None:
    """Fail, saying what is heavy, when the page has loaded more than it may."""
    sizes = transferred(page)
    assert len(sizes) > 10, "the page's scripts and styles were not found"
    heaviest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    total = sum(sizes.values())
    assert total <= MOST_BYTES, (total, heaviest)
