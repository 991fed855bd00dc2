"""What can be said of a graph that is drawn on a canvas."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator

from tests.conftest import wait_until


def drawn(graph: Locator) -> str:
    """The picture that a `[data-graph]` figure shows."""
    return str(graph.locator("canvas").evaluate("canvas => canvas.toDataURL()"))


@contextmanager
def changed(graph: Locator) -> Iterator[None]:
    """Wait, after the block, until the graph is drawn otherwise than before it."""
    before = drawn(graph)
    yield
    wait_until(lambda: drawn(graph) != before)
