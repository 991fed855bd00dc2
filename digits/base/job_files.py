"""Open files that anybody may have put into a job's folder since it was looked at.

In: the path of a log, a list of categories, a network, settings.  Out: the file or its text, or
OSError: a pipe would be waited for, for ever, and of a text without end all memory would be taken.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

# The 21,841 categories of ImageNet are 0.6 MB, the largest published networks 0.2 MB.
LARGEST_TEXT_BYTES = 16 * 1024 * 1024


def open_file(path: Path) -> io.BufferedReader:
    """A file to read; OSError when it cannot be read, or is a folder, pipe or device."""
    # Else a named pipe is waited for until somebody writes; with files it means nothing.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_file(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path) -> bytes:
    """What is in a small file; OSError as `open_file`, and beyond LARGEST_TEXT_BYTES."""
    with open_file(path) as file:
        content = file.read(LARGEST_TEXT_BYTES + 1)
    if len(content) > LARGEST_TEXT_BYTES:
        megabytes = LARGEST_TEXT_BYTES // 2**20
        raise OSError(errno.EFBIG, f"It is larger than {megabytes} MB", str(path))
    return content


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text in a file.  Raises OSError as `read_bytes` does, and UnicodeDecodeError."""
    return read_bytes(path).decode(encoding)


def _require_file(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is a pipe or device, not a file", str(path))
