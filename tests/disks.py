"""A small file system of one's own, to be filled or made read-only; needs root, as CI has."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE_MB = 8
PAGE = 4096
FILLER = ".filler"


class Disk:
    """A tmpfs of a few megabytes at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Use up all room."""
        descriptor = os.open(self.path / FILLER, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while True:
                os.write(descriptor, bytes(PAGE))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        finally:
            os.close(descriptor)

    def empty(self) -> None:
        """Give the room back."""
        (self.path / FILLER).unlink()

    def make_read_only(self) -> None:
        mount("-o", "remount,ro", str(self.path))

    def make_writable(self) -> None:
        mount("-o", "remount,rw", str(self.path))


@contextmanager
def mounted_disk(path: Path) -> Iterator[Disk]:
    """Mounts a small disk at the folder `path`, which is made."""
    path.mkdir()
    try:
        mount("-t", "tmpfs", "-o", f"size={SIZE_MB}m", "digits-test", str(path))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this user may not mount a file system: {error.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        # Lazily: a process that was just killed may still have its folder there.
        subprocess.run(["umount", "-l", str(path)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
