"""A lock on a folder: one server at a time.  The kernel lets go of it when the server dies."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import time
from pathlib import Path

from digits.errors import StorageError

log = logging.getLogger(__name__)

LOCK_FILE = ".lock"
RETRY_S = 0.1
_HELD = (errno.EAGAIN, errno.EACCES)


class FolderLock:
    """An flock on `.lock` in `folder`; the file says who holds it, for the message to others."""

    def __init__(self, folder: Path, *, wait_s: float = 0.0) -> None:
        self.path = folder / LOCK_FILE
        self.wait_s = wait_s
        self._descriptor: int | None = None
        self._folder: int | None = None

    def make_folder(self) -> None:
        """Make the folder where there is none; StorageError when that fails."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The jobs directory {folder} cannot be made ({error.strerror}). "
                "Choose another one with --jobs-dir."
            ) from error

    def take(self) -> None:
        """Take the lock, after `wait_s` seconds at most; StorageError when another server has it.

        Without one on a file system that cannot be written or knows no locks; the log says so.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            log.warning("%s cannot be locked: %s", self.path.parent, error.strerror)
            return
        try:
            self._wait_for(descriptor)
        except OSError as error:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            os.close(descriptor)
            if error.errno not in _HELD:
                log.warning("%s cannot be locked: %s", self.path.parent, error.strerror)
                return
            raise StorageError(
                f"The jobs directory {self.path.parent} is in use by another DIGITS server "
                f"({holder or 'unknown'}). Stop that one, or choose another with --jobs-dir."
            ) from None
        self._descriptor = descriptor
        try:
            self._lock_folder()
        except StorageError:
            self.release()
            raise
        self._sign(descriptor)

    def release(self) -> None:
        """Let go of the lock; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def _lock_folder(self) -> None:
        """Lock the folder itself too, where its file system can.

        Else whoever removes `.lock` by hand lets a second server in.
        """
        try:
            self._folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            self._wait_for(self._folder)
        except OSError as error:
            if error.errno in _HELD:
                raise StorageError(
                    f"The jobs directory {self.path.parent} is in use by another DIGITS server, "
                    f"whose file {LOCK_FILE} somebody removed. Stop that one, or choose another "
                    "directory with --jobs-dir."
                ) from None
            log.info("%s itself cannot be locked: %s", self.path.parent, error.strerror)

    def _wait_for(self, descriptor: int) -> None:
        # Asking again and again, since waiting inside flock would stop every other greenlet.
        deadline = time.monotonic() + self.wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in _HELD or time.monotonic() >= deadline:
                    raise
            time.sleep(RETRY_S)

    def _sign(self, descriptor: int) -> None:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        text = f"process {os.getpid()} on {socket.gethostname()}, since {since}\n"
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        except OSError as error:
            log.warning("%s cannot be written: %s", self.path, error.strerror)
