"""A folder that is known by its device and inode, not by its name alone.

When a network disk goes away, its mount point is another, empty folder of the same name: nothing
may be written into it, and what is not in it is not gone.
"""

from __future__ import annotations

from pathlib import Path


class KnownFolder:
    """The folder that stands at `path` now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = _identity(path)

    @property
    def is_there(self) -> bool:
        """Whether it still stands there; also when it did not at first, and nothing is known."""
        return self._identity is None or _identity(self.path) == self._identity


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
