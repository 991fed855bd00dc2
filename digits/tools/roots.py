"""The folders that a program may read pictures from: the data roots of the server's settings.

Links are resolved before the check, so neither a link nor `..` leads out of a root.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from digits.errors import ToolError

# Of folders; a list of a million pictures lies in a few thousand at most.
_MOST_REMEMBERED = 10_000


class DataRoots:
    """Says what may be read; without a root, everything may."""

    def __init__(self, roots: Iterable[str | Path] = ()) -> None:
        self.roots = tuple(os.path.realpath(root) for root in roots)
        self._folders: dict[str, bool] = {}

    def allow(self, path: str) -> bool:
        """Whether a path, its links resolved, lies in a root."""
        if not self.roots:
            return True
        try:
            real = Path(os.path.realpath(path))
        except (OSError, ValueError):  # a NUL in it: there is no such file
            return False
        return any(real.is_relative_to(root) for root in self.roots)

    def allow_folder_of(self, path: str) -> bool:
        """Whether the folder of a file lies in a root; each folder is looked at once."""
        folder = os.path.dirname(path)
        known = self._folders.get(folder)
        if known is None:
            if len(self._folders) >= _MOST_REMEMBERED:
                self._folders.clear()
            known = self._folders[folder] = self.allow(folder)
        return known

    def check(self, folder: str) -> None:
        """Raises ToolError for a folder outside of the roots."""
        if not self.allow(folder):
            raise ToolError(
                f"{folder} lies outside of the folders that may be read: {', '.join(self.roots)}."
            )


def add_root_option(parser: argparse.ArgumentParser) -> None:
    """The option `--data-root`, which gives `data_root`, a list of paths."""
    parser.add_argument(
        "--data-root",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="read pictures only from here (may be given several times) [anywhere]",
    )
