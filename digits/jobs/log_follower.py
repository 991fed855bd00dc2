"""Read a growing log file line by line, in pieces small enough not to hold up other threads.

A log that is not there, or cannot be read, has no lines: whoever reads it must go on, since its
task does.  What is wrong with it is told where somebody looks into it (`log_reader.py`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from digits.base.job_files import open_file, open_to_append

PIECE_BYTES = 64 * 1024
# A program that writes megabytes without a newline must not fill the memory.
LONGEST_LINE_BYTES = 1024 * 1024
# Characters of a line that a message shows.
LONGEST_SHOWN = 500
# Begins the line that stands between two attempts in a log that is continued.
ATTEMPT_MARK = "=== Attempt "


def _let_others_run() -> None:
    time.sleep(0)  # other greenlets, that is


class LogFollower:
    """Whole lines of a log from a position on; a line still being written waits for its end."""

    def __init__(
        self, path: Path, position: int = 0, *, pause: Callable[[], None] = _let_others_run
    ) -> None:
        """`pause` is called between pieces of a long log."""
        self.path = path
        self._pause = pause
        self.position = position  # bytes read from the file
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        """The lines that have been completed since the last call, without their newline."""
        return map(_text, self.raw_lines())

    def all_lines(self) -> Iterator[str]:
        """All lines of a log that nobody writes any more."""
        return map(_text, self.all_raw_lines())

    def last_line(self) -> Iterator[str]:
        """What stands after the last newline, once nobody writes any more."""
        return map(_text, self.raw_last_line())

    def raw_lines(self, most: int | None = None) -> Iterator[bytes]:
        """The same as `new_lines`, undecoded; up to byte `most` of the file."""
        for piece in self._pieces(most):
            *lines, self._rest = (self._rest + piece).split(b"\n")
            yield from lines
            if len(self._rest) > LONGEST_LINE_BYTES:
                yield self._take_rest()
            self._pause()

    def all_raw_lines(self) -> Iterator[bytes]:
        """The same as `all_lines`, undecoded."""
        yield from self.raw_lines()
        yield from self.raw_last_line()

    def raw_last_line(self) -> Iterator[bytes]:
        """The same as `last_line`, undecoded."""
        if self._rest:
            yield self._take_rest()

    def _take_rest(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest

    def _pieces(self, most: int | None) -> Iterator[bytes]:
        with contextlib.suppress(OSError), open_file(self.path) as file:
            file.seek(self.position)
            while piece := file.read(self._piece_bytes(most)):
                self.position += len(piece)
                yield piece

    def _piece_bytes(self, most: int | None) -> int:
        return PIECE_BYTES if most is None else max(0, min(PIECE_BYTES, most - self.position))


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of the last attempt that are not empty, cut to a length to show."""
    try:
        with open_file(path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - PIECE_BYTES))
            lines = file.read(PIECE_BYTES).split(b"\n")
    except OSError:
        return []
    texts = [_text(line)[:LONGEST_SHOWN] for line in lines if line.strip()]
    marks = [number for number, text in enumerate(texts) if text.startswith(ATTEMPT_MARK)]
    return texts[marks[-1] + 1 if marks else 0 :][-count:]


def mark_attempt(path: Path, number: int) -> None:
    """Say in a log that is continued that attempt `number` begins; nothing in an empty one.

    Raises OSError when it cannot be written, or is no file.
    """
    moment = time.strftime("%Y-%m-%d %H:%M:%S")
    with open_to_append(path) as file:
        if file.tell() > 0:
            # The line before may have been cut off in its middle.
            file.write(f"\n{ATTEMPT_MARK}{number}, {moment}\n".encode())


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
