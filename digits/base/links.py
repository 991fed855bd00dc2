"""Files that are never written to again, in a second place: a second name is enough.

Where the file system has no such names, or another one is asked for, they are copied.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file, or a folder with all that is in it, at `target`; OSError when that fails."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=_link_or_copy_file)
    else:
        _link_or_copy_file(str(source), str(target))


def _link_or_copy_file(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target)
    return target
