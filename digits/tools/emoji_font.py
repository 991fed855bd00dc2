"""Where the font Noto Color Emoji lies, if it is installed, and how to come by it."""

from __future__ import annotations

import os
from pathlib import Path

FONT_FILE = "NotoColorEmoji.ttf"
PACKAGE = "fonts-noto-color-emoji"
INSTALL_COMMAND = f"sudo apt-get install {PACKAGE}"
# Below folders of shared data, as deep as distributions put fonts.
_PLACES = ("fonts", "fonts/*", "fonts/*/*")


def find_font() -> Path | None:
    """The font's file, where this machine or user has it; None where they have not."""
    for folder in _data_folders():
        for place in _PLACES:
            for path in sorted(folder.glob(f"{place}/{FONT_FILE}")):
                if path.is_file():
                    return path
    return None


def _data_folders() -> list[Path]:
    """As freedesktop.org's base directory specification has them."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    folders = [os.path.expanduser(folder) for folder in (home, *shared.split(":"))]
    return [Path(folder) for folder in folders if os.path.isabs(folder)]
