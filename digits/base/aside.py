"""Work that takes long, done where it holds up nobody: who runs it is handed down by the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Runs a function with its arguments, where it does not hold up others, and answers its result.
Aside = Callable[..., Any]


def here(work: Callable[..., Any], *arguments: Any) -> Any:
    """At once, where nobody waits."""
    return work(*arguments)
