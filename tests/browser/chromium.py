"""How tests, benchmarks and pictures for the guides start Chromium."""

from __future__ import annotations

from playwright.sync_api import Browser, Playwright

# Debian's Chromium without any windows: half the processor time of the whole one.
PROGRAM = "/usr/bin/chromium-headless-shell"
# In a container there is neither a sandbox nor a GPU, and nothing outside is asked for.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Playwright, *flags: str) -> Browser:
    """A browser of one's own, with `flags` of its own."""
    return playwright.chromium.launch(executable_path=PROGRAM, args=[*FLAGS, *flags])
