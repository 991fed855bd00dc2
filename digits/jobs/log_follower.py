"""Read a growing log file line by line, in pieces small enough not to hold up other threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

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
        for piece in self._pieces():
            *lines, self._rest = (self._rest + piece).split(b"\n")
            yield from map(_text, lines)
            if len(self._rest) > LONGEST_LINE_BYTES:
                yield self._take_rest()
            self._pause()

    def all_lines(self) -> Iterator[str]:
        """All lines of a log that nobody writes any more."""
        yield from self.new_lines()
        yield from self.last_line()

    def last_line(self) -> Iterator[str]:
        """What stands after the last newline, once nobody writes any more."""
        if self._rest:
            yield self._take_rest()

    def _take_rest(self) -> str:
        rest, self._rest = self._rest, b""
        return _text(rest)

    def _pieces(self) -> Iterator[bytes]:
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self.position)
            while piece := file.read(PIECE_BYTES):
                self.position += len(piece)
                yield piece


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of the last attempt that are not empty, cut to a length to show."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - PIECE_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    texts = [_text(line)[:LONGEST_SHOWN] for line in lines if line.strip()]
    marks = [number for number, text in enumerate(texts) if text.startswith(ATTEMPT_MARK)]
    return texts[marks[-1] + 1 if marks else 0 :][-count:]


def mark_attempt(path: Path, number: int) -> None:
    """Say in a log that is continued that attempt `number` begins; nothing in an empty one."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S")
    with path.open("ab") as file:
        if file.tell() > 0:
            # The line before may have been cut off in its middle.
            file.write(f"\n{ATTEMPT_MARK}{number}, {moment}\n".encode())


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
