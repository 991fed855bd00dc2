"""Open files that anybody may have put into a job's folder since it was looked at.

In: the path of a log, a list of categories, a network, settings.  Out: the file or its text, or
OSError: a pipe would be waited for, for ever, and of a text without end all memory would be taken.

The one way in which the server opens files of jobs.
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
    return io.BufferedReader(open_raw(path))


def open_raw(path: Path) -> io.FileIO:
    """The same without a buffer, for files that are read as a whole."""
    return io.FileIO(_descriptor(path, os.O_RDONLY), "rb")


def open_to_append(path: Path) -> io.FileIO:
    """A file to write to at its end, made when it is not there; OSError as `open_file`."""
    # FileIO seeks to the end by itself in this mode only, and `tell` says how long the file is.
    descriptor = _descriptor(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.set_blocking(descriptor, True)  # programs inherit it as their output
    return io.FileIO(descriptor, "ab")


def require_file(path: Path) -> None:
    """Raise OSError as `open_file` does; for files that a library opens by their names."""
    os.close(_descriptor(path, os.O_RDONLY))


def read_beginning(path: Path, most_bytes: int) -> str:
    """The text with which a file begins; what is no UTF-8 is replaced.  OSError as `open_file`."""
    with open_file(path) as file:
        return file.read(most_bytes).decode("utf-8", "replace")


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


def _descriptor(path: Path, flags: int) -> int:
    # Else a named pipe is waited for until somebody opens its other end; with files it means
    # nothing.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        _require_file(os.fstat(descriptor).st_mode, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_file(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is a pipe or device, not a file", str(path))
