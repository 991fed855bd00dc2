"""Log lines in the form of glog, which Caffe writes and DIGITS parses.

    I1123 09:30:52.713191 30536 solver.cpp:239] Iteration 12 (461 iter/s, ...), loss = 1.80444

A letter for the severity, month and day, time, thread, place, message.  The place is the one in
Caffe's sources that writes the same line, given with the call (`log.info(text,
extra=at("net.cpp:86"))`); without it, our own file and line.  Messages go to stderr and are flushed
line by line, so that whoever follows the file sees them at once.

Commands log from their start (`start_logging`), scripts when they first use a net or a solver
(`start_script_logging`); nobody else sees messages that he did not ask Python's logging for.
Elsewhere: glog's flags and variables (`glog.py`), its files (`log_files.py`).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import PurePath
from typing import TextIO

from digits.caffe.machine import glog
from digits.caffe.machine.glog import LogSettings
from digits.caffe.machine.log_files import LogFiles, send_mail

ROOT = "digits.caffe"
_LETTERS = "IWEF"
# Python's level of each of glog's severities; VLOG(1) is DEBUG, VLOG(2) one below, and so on.
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_COLORS = {glog.WARNING: "3", glog.ERROR: "1", glog.FATAL: "1"}  # yellow and red
_COLOR_TERMINALS = (
    "xterm", "xterm-color", "xterm-256color", "screen-256color", "konsole", "konsole-16color",
    "konsole-256color", "screen", "linux", "cygwin",
)  # fmt: skip


def at(source: str) -> dict[str, str]:
    """The `extra` of a log call that stands for the line `source` of Caffe."""
    return {"source": source}


def number(value: float) -> str:
    """A number as C++ streams print it: six significant digits, no trailing zeros."""
    return f"{value:g}"


def severity_of(record: logging.LogRecord) -> int:
    """glog's severity of a record: 0 INFO (and all below), 1 WARNING, 2 ERROR, 3 FATAL."""
    return sum(record.levelno >= level for level in _LEVELS[1:])


class GlogFormatter(logging.Formatter):
    """Formats a record as glog does; one that carries an exception gets its traceback below.

    `prefix` False leaves the message alone; `backtrace_at` is a place (`net.cpp:86`) whose messages
    say who called.
    """

    def __init__(self, prefix: bool = True, backtrace_at: str = "") -> None:
        super().__init__()
        self._prefix = prefix
        self._backtrace_at = backtrace_at

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        source, line = source_of(record), record.getMessage()
        if source == self._backtrace_at:
            line = f" (stacktrace:\n{_callers_of(record)}) {line}"
        if self._prefix:
            line = f"{self._prefix_of(record, source)} {line}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line

    def _prefix_of(self, record: logging.LogRecord, source: str) -> str:
        moment = time.localtime(record.created)
        micros = int(record.created % 1 * 1_000_000)
        # Formatted in the thread that logs, so this is the id of the thread that says it.
        return (
            f"{_LETTERS[severity_of(record)]}{time.strftime('%m%d %H:%M:%S', moment)}."
            f"{micros:06d} {threading.get_native_id():5d} {source}]"
        )


def source_of(record: logging.LogRecord) -> str:
    """The place that a record's line names."""
    return getattr(record, "source", None) or f"{record.filename}:{record.lineno}"


def _callers_of(record: logging.LogRecord) -> str:
    """The functions that led to a record, the innermost first; called while it is written."""
    frames = traceback.extract_stack()
    while frames and (frames[-1].filename, frames[-1].lineno) != (record.pathname, record.lineno):
        frames.pop()
    return "".join(
        f"    @ {PurePath(frame.filename).name}:{frame.lineno}  {frame.name}()\n"
        for frame in reversed(frames)
    )


class GlogHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr, files and mail, as glog's flags say.

    A progress bar that is shown on stderr is moved out of the way.  Without a `stream`, it is the
    stderr of the moment.
    """

    def __init__(self, settings: LogSettings | None = None, stream: TextIO | None = None) -> None:
        super().__init__(stream or sys.stderr)
        self.settings = settings or LogSettings(logtostderr=True)
        self.setFormatter(GlogFormatter(self.settings.log_prefix, self.settings.log_backtrace_at))
        self.shows_progress = False
        self._follows_stderr = stream is None
        self._files = LogFiles(self.settings) if self.settings.writes_files else None
        self._colored = self.settings.colorlogtostderr and (
            os.environ.get("TERM", "") in _COLOR_TERMINALS
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; what goes to stderr is flushed."""
        severity = severity_of(record)
        if severity < self.settings.minloglevel or self._is_too_verbose(record):
            return
        try:
            line = self.format(record)
            if self.settings.goes_to_stderr(severity):
                self._show(line, severity)
            if self._files is not None:
                self._files.write(severity, line)
            send_mail(self.settings, severity, line)
        except (OSError, ValueError, TypeError):
            self.handleError(record)

    def flush(self) -> None:
        """Hand on what is held for files."""
        super().flush()
        if getattr(self, "_files", None) is not None:
            self._files.flush()  # type: ignore[union-attr]

    def close(self) -> None:
        """Close the files; what is said later goes to stderr alone."""
        files, self._files = self._files, None
        if files is not None:
            files.close()
        super().close()

    def _is_too_verbose(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.INFO:
            return False
        verbosity = max(1, logging.DEBUG + 1 - record.levelno)
        return verbosity > self.settings.verbosity(source_of(record))

    def _show(self, line: str, severity: int) -> None:
        if self._follows_stderr:
            self.stream = sys.stderr
        if self.shows_progress:
            from tqdm import tqdm  # noqa: PLC0415  # only where a bar is shown, which is a terminal

            tqdm.write(line, file=self.stream)
            return
        text = f"{line}\n"
        if self._colored:
            color = _COLORS.get(severity)
            text = f"\033[0;3{color}m{text}\033[m" if color else text
        self.stream.write(text)
        super().flush()


def start_logging(settings: LogSettings | None = None, stream: TextIO | None = None) -> GlogHandler:
    """Send the engine's messages where `settings` say (stderr), glog fashion; for commands.

    Calling it again replaces the former handler.
    """
    logger = logging.getLogger(ROOT)
    for old in [h for h in logger.handlers if isinstance(h, GlogHandler)]:
        logger.removeHandler(old)
        old.close()
    handler = GlogHandler(settings, stream)
    logger.addHandler(handler)
    logger.setLevel(_lowest_level(handler.settings))
    logger.propagate = False
    return handler


def end_logging() -> None:
    """Write what is still held for log files, and close them; for commands, at their end."""
    handler = glog_handler()
    if handler is not None:
        handler.close()


def _lowest_level(settings: LogSettings) -> int:
    """The level below which Python need not even make a record."""
    if settings.v > 0 or settings.vmodule:
        return 1
    return _LEVELS[min(max(settings.minloglevel, 0), glog.FATAL)]


def start_script_logging() -> None:
    """Log what a script's nets and solvers do to stderr, as pycaffe does; GLOG_ variables count.

    Where somebody has chosen himself what becomes of the logger "digits.caffe" (a handler, a
    level), that stays.  Python's root handlers get the records too, unless they write to the same
    stderr.
    """
    logger = logging.getLogger(ROOT)
    if logger.handlers or logger.level != logging.NOTSET:
        return
    start_logging(replace(_script_settings(), logtostderr=True))
    logger.propagate = not any(map(_writes_to_a_terminal_stream, logging.getLogger().handlers))


def _writes_to_a_terminal_stream(handler: logging.Handler) -> bool:
    return getattr(handler, "stream", None) in (sys.stderr, sys.stdout)


def _script_settings() -> LogSettings:
    script = PurePath(sys.argv[0] if sys.argv else "").name
    return glog.settings_from(os.environ, script if script.strip("-") != "c" else "python")


def init_log(level: int = 0, stderr: bool = True) -> None:
    """pycaffe's: log messages from glog's `level` up (0 is INFO, 3 is FATAL), to stderr.

    With `stderr` False, to glog's files (in GLOG_log_dir, or the temporary folder), and to stderr
    from ERROR up.  It may be called again.
    """
    settings = replace(_script_settings(), minloglevel=level, logtostderr=stderr)
    start_logging(settings)


def log(message: str) -> None:
    """pycaffe's `caffe.log`: write one line."""
    start_script_logging()
    logging.getLogger(ROOT).info("%s", message, extra=at("_caffe.cpp:61"))


def glog_handler() -> GlogHandler | None:
    """The handler of `start_logging`, if it was called."""
    handlers = logging.getLogger(ROOT).handlers
    return next((handler for handler in handlers if isinstance(handler, GlogHandler)), None)
