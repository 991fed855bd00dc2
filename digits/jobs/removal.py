"""Removes the folder of a job for good, whatever is in it.

In: a folder.  Out: whether nothing of it is left.  Links are removed and never followed.
"""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

log = logging.getLogger(__name__)


def erase(folder: Path) -> bool:
    """Remove a folder; False, and the log says so, when something of it is left."""
    _run("rm", "-rf", "--", str(folder))
    if os.path.lexists(folder) and not folder.is_symlink():
        # A folder in it that its owner may not write keeps what it holds.  Of links that it meets
        # on its way, chmod -R changes nothing.
        _run("chmod", "-R", "u+rwX", "--", str(folder))
        _run("rm", "-rf", "--", str(folder))
    if not os.path.lexists(folder):
        return True
    log.error("%s cannot be removed; remove what is left of it by hand", folder)
    return False


def _run(*command: str) -> None:
    # In a process of its own: removing a large dataset must not hold up the server.
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
