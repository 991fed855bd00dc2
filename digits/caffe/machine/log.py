"""Log lines in the form of glog, which Caffe writes and DIGITS parses.

    I1123 09:30:52.713191 30536 solver.cpp:239] Iteration 12 (461 iter/s, ...), loss = 1.80444

A letter for the severity, month and day, time, thread, place, message.  The place is the one in
Caffe's sources that writes the same line, given with the call (`log.info(text,
extra=at("net.cpp:86"))`); without it, our own file and line.  Messages go to stderr and are flushed
line by line, so that whoever follows the file sees them at once.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TextIO

LETTERS = {
    logging.DEBUG: "I",
    logging.INFO: "I",
    logging.WARNING: "W",
    logging.ERROR: "E",
    logging.CRITICAL: "F",
}
ROOT = "digits.caffe"


def at(source: str) -> dict[str, str]:
    """The `extra` of a log call that stands for the line `source` of Caffe."""
    return {"source": source}


def number(value: float) -> str:
    """A number as C++ streams print it: six significant digits, no trailing zeros."""
    return f"{value:g}"


class GlogFormatter(logging.Formatter):
    """Formats a record as glog does; one that carries an exception gets its traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        source = getattr(record, "source", None) or f"{record.filename}:{record.lineno}"
        moment = time.localtime(record.created)
        micros = int(record.created % 1 * 1_000_000)
        # Formatted in the thread that logs, so this is the id of the thread that says it.
        line = (
            f"{LETTERS.get(record.levelno, 'I')}{time.strftime('%m%d %H:%M:%S', moment)}."
            f"{micros:06d} {threading.get_native_id():5d} {source}] {record.getMessage()}"
        )
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


class GlogHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr; a progress bar that is shown there is moved out of the way."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream or sys.stderr)
        self.setFormatter(GlogFormatter())
        self.shows_progress = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write and flush one record."""
        if not self.shows_progress:
            super().emit(record)
            return
        from tqdm import tqdm  # noqa: PLC0415  # only where a bar is shown, which is a terminal

        tqdm.write(self.format(record), file=self.stream)


def start_logging(level: int = logging.INFO, stream: TextIO | None = None) -> GlogHandler:
    """Send the engine's messages to stderr, glog fashion; for command-line tools.

    Calling it again replaces the former handler.
    """
    logger = logging.getLogger(ROOT)
    for old in [h for h in logger.handlers if isinstance(h, GlogHandler)]:
        logger.removeHandler(old)
    handler = GlogHandler(stream)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    return handler


def init_log(level: int = 0) -> None:
    """pycaffe's: send messages from glog's `level` up (0 is INFO, 3 is FATAL) to stderr."""
    levels = [logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
    start_logging(levels[min(max(level, 0), 3)])


def log(message: str) -> None:
    """pycaffe's `caffe.log`: write one line."""
    logging.getLogger(ROOT).info("%s", message, extra=at("_caffe.cpp:61"))


def glog_handler() -> GlogHandler | None:
    """The handler of `start_logging`, if it was called."""
    handlers = logging.getLogger(ROOT).handlers
    return next((handler for handler in handlers if isinstance(handler, GlogHandler)), None)
