"""Folders that go with the code: pages, guides, and what runs in browsers."""

from __future__ import annotations

from pathlib import Path

import digits


def folder_beside(name: str) -> Path:
    """One of them by its name: in an installed package, or beside it in a checkout."""
    package = Path(digits.__file__).resolve().parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
