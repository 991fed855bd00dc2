"""What may lie in the place of a file: each would stop, or fill, whoever opened it as one."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

# A pipe is waited for until somebody opens its other end; a device has no end.
ODD_KINDS = ("pipe", "socket", "device", "folder", "circle")


def put_in_place(path: Path, kind: str) -> None:
    """Replace what is at `path`, if anything, by something that is no file."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                # A socket's name has 107 bytes at most; that of the folder's descriptor is short.
                folder = os.open(path.parent, os.O_RDONLY)
                try:
                    listener.bind(f"/proc/self/fd/{folder}/{path.name}")
                finally:
                    os.close(folder)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "circle":
            path.symlink_to(path.name)
