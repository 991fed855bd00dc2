"""glog's log files: one for each severity, which also holds all that is more severe; and its mail.

    DIR/PROGRAM.HOST.USER.log.INFO.20150523-093052.30536       DIR/PROGRAM.INFO links to it

In: lines with their severity.  Out: files, links to the newest of them, mails.  A file is begun
with the first line for it, and a new one when it has grown too large.

Elsewhere: what is asked for (`glog.py`), stderr (`log.py`).  Source: logging.cc of glog 0.4.
"""

from __future__ import annotations

import errno
import getpass
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from digits.caffe.machine.glog import SEVERITY_NAMES, LogSettings

_LARGEST_BUFFER = 1_000_000
_PAGE = 4096
_HEAD = """\
Log file created at: {moment}
Running on machine: {host}
Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg
"""


class LogFiles:
    """The files of a program."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._files = [_LogFile(settings, name) for name in SEVERITY_NAMES]

    def write(self, severity: int, line: str) -> None:
        """Add a line to the file of its severity, and to those of all lower ones."""
        flush = severity > self._settings.logbuflevel
        data = f"{line}\n".encode(errors="backslashreplace")
        for file in reversed(self._files[: severity + 1]):
            file.write(data, flush)

    def flush(self) -> None:
        """Hand on to the system what is still held."""
        for file in self._files:
            file.flush()

    def close(self) -> None:
        """Close all; lines that come later begin new files."""
        for file in self._files:
            file.close()


class _LogFile:
    """The file of one severity."""

    def __init__(self, settings: LogSettings, severity_name: str) -> None:
        self._settings = settings
        self._severity_name = severity_name
        self._file: BinaryIO | None = None
        self._pid = 0
        self._size = 0
        self._unflushed = 0
        self._flush_at_s = 0.0
        self._stopped = False

    def write(self, data: bytes, flush: bool) -> None:
        if self._stopped:
            return
        if self._file is None or self._is_over():
            self._begin()
        if self._file is None:
            return
        try:
            self._file.write(data)
            self._size += len(data)
            self._unflushed += len(data)
            if flush or self._unflushed >= _LARGEST_BUFFER or time.time() >= self._flush_at_s:
                self.flush()
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._stopped = full and self._settings.stop_logging_if_full_disk
            self._drop()

    def flush(self) -> None:
        if self._file is None:
            return
        self._file.flush()
        self._unflushed = 0
        self._flush_at_s = time.time() + self._settings.logbufsecs
        kept = self._size - self._size % _PAGE
        if self._settings.drop_log_memory and kept and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), 0, kept, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        if self._file is not None:
            self._drop()

    def _is_over(self) -> bool:
        """Whether the file is too large, or the process has forked and it is the parent's."""
        return self._size >> 20 >= max(1, self._settings.max_log_size) or self._pid != os.getpid()

    def _begin(self) -> None:
        """Open the next file; while that is not possible, the present one goes on."""
        problem: OSError | None = None
        for folder in _folders(self._settings):
            try:
                file, path = self._created(folder)
            except OSError as error:
                problem = error
                continue
            self.close()
            self._file, self._pid, self._size = file, os.getpid(), 0
            self._flush_at_s = time.time() + self._settings.logbufsecs
            self._link(path)
            return
        if self._file is None and problem is not None:
            self._stopped = True
            words = f"Could not create log file {problem.filename}: {problem.strerror}"
            print(words, file=sys.stderr)  # noqa: T201

    def _created(self, folder: Path) -> tuple[BinaryIO, Path]:
        now, host = time.localtime(), socket.gethostname()
        stem = f"{self._settings.program}.{host}.{_user()}.log.{self._severity_name}"
        path = folder / f"{stem}.{time.strftime('%Y%m%d-%H%M%S', now)}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        file = os.fdopen(os.open(path, flags, self._settings.logfile_mode), "wb", buffering=1 << 20)
        moment = time.strftime("%Y/%m/%d %H:%M:%S", now)
        file.write(_HEAD.format(moment=moment, host=host).encode())
        return file, path

    def _link(self, path: Path) -> None:
        """Let PROGRAM.SEVERITY mean this file, beside it and in the folder of --log_link."""
        name = f"{self._settings.program}.{self._severity_name}"
        _replace_link(path.with_name(name), Path(path.name))
        if self._settings.log_link:
            _replace_link(Path(self._settings.log_link, name), path.absolute())

    def _drop(self) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError:  # what the full disk could not hold
            return


def send_mail(settings: LogSettings, severity: int, line: str) -> None:
    """Mail a message to the addresses of --alsologtoemail, if it is as severe as is asked for."""
    if severity < settings.logemaillevel or not settings.alsologtoemail:
        return
    subject = f"[LOG] {SEVERITY_NAMES[severity]}: {settings.program}"
    command = [*shlex.split(settings.logmailer), "-s", subject, settings.alsologtoemail]
    try:
        subprocess.run(command, input=f"{socket.gethostname()}\n\n{line}\n".encode(), check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Problems sending mail to {settings.alsologtoemail}: {error}", file=sys.stderr)  # noqa: T201


def _folders(settings: LogSettings) -> Iterator[Path]:
    """Where files may go: the folder asked for, else the first temporary one that takes them."""
    if settings.log_dir:
        yield Path(settings.log_dir)
        return
    names = (os.environ.get(name, "") for name in ("TEST_TMPDIR", "TMPDIR", "TMP"))
    yield from (Path(name) for name in (*names, "/tmp") if name and Path(name).is_dir())  # noqa: S108  # as glog does
    yield Path()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return "invalid-user"


def _replace_link(link: Path, target: Path) -> None:
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    except OSError:  # the folder is another's, or knows no links: the file is there all the same
        return
