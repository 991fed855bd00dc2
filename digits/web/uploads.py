"""Large uploads: written to the disk of the jobs directory as they come, then moved, not copied.

A file of an upload has no name on the disk, so nothing of it is left when the browser goes away or
the server is killed.  `keep` gives it one; what must be copied is copied beside the event loop.
Small uploads stay in memory, as werkzeug has it.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO, Any, cast

from flask import Request, current_app
from werkzeug.datastructures import FileStorage

from digits.jobs.store import JobStore
from digits.web.answers import in_thread

# Pictures and lists are smaller; they must be taken also when the jobs directory is full.
LARGE_BYTES = 32 << 20


class UploadRequest(Request):
    """A request whose large files go to the disk of the jobs directory."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if (total_content_length or 0) < LARGE_BYTES:
            return super()._get_file_stream(
                total_content_length, content_type, filename, content_length
            )
        return cast(IO[bytes], UploadedFile(current_app.extensions["digits"].scheduler.store))


class UploadedFile(io.RawIOBase):
    """A nameless file beside the jobs; StorageError when the disk is full."""

    def __init__(self, store: JobStore) -> None:
        super().__init__()
        self._store = store
        with store.writing():
            self._file, self._has_place = _nameless(store.jobs_dir)

    def write(self, data: Any) -> int:
        with self._store.writing():
            # A fast sender must not keep all others waiting.
            time.sleep(0)
            return self._file.write(data)

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)  # type: ignore[attr-defined, no-any-return]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def give_name(self, path: Path) -> bool:
        """Put the file at `path`, on the same disk; False when the file system cannot do that."""
        if not self._has_place:
            return False
        self._file.flush()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            # Without a folder's descriptor Python calls link(2), which would not follow.
            source = f"/proc/self/fd/{self._file.fileno()}"
            os.link(source, path.name, dst_dir_fd=folder, follow_symlinks=True)
        except OSError:
            return False
        finally:
            os.close(folder)
        return True


def keep(upload: FileStorage, path: Path) -> None:
    """Make an upload the file `path`; OSError when that fails."""
    keep_stream(upload.stream, path)


def keep_stream(stream: IO[bytes], path: Path) -> None:
    """The same for what is in an upload."""
    if isinstance(stream, UploadedFile) and stream.give_name(path):
        return
    in_thread(_copy, stream, path)


def write_stream(stream: IO[bytes], path: Path) -> None:
    """The same, at once: for whoever is beside the event loop already."""
    if not (isinstance(stream, UploadedFile) and stream.give_name(path)):
        _copy(stream, path)


def _copy(stream: IO[bytes], path: Path) -> None:
    stream.seek(0)
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)


def _nameless(folder: Path) -> tuple[IO[bytes], bool]:
    """A file in `folder` that has no name, and whether it can be given one."""
    try:
        # Not tempfile's: it asks for a file that never gets a name (O_EXCL).
        descriptor = os.open(folder, os.O_RDWR | os.O_TMPFILE, 0o666)
    except OSError:  # not every file system has nameless files
        return tempfile.TemporaryFile(dir=folder), False
    return open(descriptor, "w+b"), True
