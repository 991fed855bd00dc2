"""Paths that strangers send, to be made below a folder: which of them can be, and stay inside."""

from __future__ import annotations

LONGEST_NAME_BYTES = 255  # of Linux's file systems
# Of a path from its folder; with the folder's own, Linux takes 4096.
LONGEST_PATH_BYTES = 3000
# What goes through folders by calling itself, as Python's mkdir does, must come to an end.
MOST_FOLDERS = 100


def problem_of(path: str) -> str | None:
    """Why nothing can be made at `path` below a folder; None when it can."""
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return "its name is not valid text; rename it"
    if "\0" in path or "".join(path.splitlines()) != path:
        return "its name has a line break or a NUL; rename it"
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "its path does not lead down from the folder"
    if longest := next((p for p in parts if len(p.encode()) > LONGEST_NAME_BYTES), ""):
        return f"a name of {len(longest.encode())} bytes is too long; at most {LONGEST_NAME_BYTES}"
    if length > LONGEST_PATH_BYTES:
        return f"a path of {length} bytes is too long; at most {LONGEST_PATH_BYTES}"
    if len(parts) - 1 > MOST_FOLDERS:
        return f"it lies {len(parts) - 1} folders deep; at most {MOST_FOLDERS}"
    return None
