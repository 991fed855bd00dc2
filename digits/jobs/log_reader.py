"""Look into a log of any size: some lines from a place on, or before one, and a search.

A place is a byte of the file.  Every call reads a bounded piece, however long the log and its lines
are: a search that finds nothing in its piece says how far it came, and the next call goes on there.

All raise OSError when the log is not there, cannot be read, or is a pipe, device or folder.

Elsewhere: following a log while its task runs (`log_follower.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from digits.base.job_files import open_file

# What one answer reads at most when it shows lines; also the longest line, longer ones are split.
PART_BYTES = 256 * 1024
# What one answer searches at most, and the block that it holds in memory meanwhile.
SEARCH_BYTES = 32 * 1024 * 1024
BLOCK_BYTES = 1024 * 1024
MOST_LINES = 1000
# Characters of a line that are shown.
LONGEST_SHOWN = 2000
LONGEST_SEARCH = 200
# What lines of failures hold, in small letters: Caffe's, Python's, the system's.
ERROR_WORDS = (
    b"error", b"traceback (most recent", b"exception", b"check failed", b"fatal", b"segmentation",
    b"killed", b"out of memory",
)  # fmt: skip


@dataclass(frozen=True)
class LogLine:
    """A line without its newline, and the place where it begins."""

    at: int
    text: str


@dataclass(frozen=True)
class LogPart:
    """Neighbouring lines: they stand from byte `start` to `end` of a log of `size` bytes."""

    start: int
    end: int
    size: int
    lines: Sequence[LogLine]


@dataclass(frozen=True)
class Found:
    """The line that a search has found begins at `at`; None: not up to `looked_to`."""

    at: int | None
    looked_to: int
    size: int

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to look at in this direction."""
        return self.at is not None or self.looked_to in (0, self.size)


def lines_from(path: Path, start: int, count: int, *, growing: bool) -> LogPart:
    """Up to `count` lines from the one on in which byte `start` stands.

    While the log is `growing`, a last line without its newline is left for later.
    """
    with _opened(path) as file:
        size = _size(file)
        begin = _line_start(file, min(start, size))
        data = _read(file, begin, begin + PART_BYTES)
        if begin + len(data) < size or growing:
            data = _whole_lines(data, is_cut=begin + len(data) < size)
        return _part(data, begin, size, slice(0, count))


def lines_before(path: Path, end: int, count: int) -> LogPart:
    """Up to `count` lines that stand before byte `end`, which begins a line."""
    with _opened(path) as file:
        size = _size(file)
        end = min(end, size)
        begin = max(0, end - PART_BYTES)
        data = _read(file, begin, end)
        if begin > 0:
            # The line that the piece begins in; a longer one stays cut where the piece begins.
            cut = data.find(b"\n") + 1
            if 0 < cut < len(data):
                begin, data = begin + cut, data[cut:]
        return _part(data, begin, size, slice(-count, None))


def last_lines(path: Path, count: int, *, growing: bool) -> LogPart:
    """The last lines."""
    with _opened(path) as file:
        size = _size(file)
        end = size
        if growing:
            end = size - len(_read(file, size - PART_BYTES, size).rpartition(b"\n")[2])
    return lines_before(path, end, count)


def search(path: Path, words: Sequence[bytes], start: int, *, forward: bool = True) -> Found:
    """The next line from byte `start` on that holds one of `words`, or the last one before it.

    `words` are in small letters; ASCII letters of the log match in either case.
    """
    look = _look_forward if forward else _look_backward
    with _opened(path) as file:
        size = _size(file)
        return look(file, words, min(max(start, 0), size), size)


def search_words(text: str) -> list[bytes]:
    """What a user searches, as `search` takes it."""
    return [text.encode("utf-8", "replace").lower()]


def _look_forward(file: BinaryIO, words: Sequence[bytes], start: int, size: int) -> Found:
    overlap = max(map(len, words)) - 1
    end = min(size, start + SEARCH_BYTES)
    for block in range(start, end, BLOCK_BYTES):
        # A match may reach over the block's end.
        data = _read(file, block, min(block + BLOCK_BYTES + overlap, size)).lower()
        places = [place for word in words if (place := data.find(word)) >= 0]
        if places:
            return Found(_line_start(file, block + min(places)), block + min(places), size)
    return Found(None, end, size)


def _look_backward(file: BinaryIO, words: Sequence[bytes], start: int, size: int) -> Found:
    overlap = max(map(len, words)) - 1
    end = max(0, start - SEARCH_BYTES)
    for top in range(start, end, -BLOCK_BYTES):
        block = max(end, top - BLOCK_BYTES)
        # The first block ends where the line begins that was found before.
        reach = top if top == start else min(top + overlap, start)
        data = _read(file, block, reach).lower()
        if (place := max(data.rfind(word) for word in words)) >= 0:
            return Found(_line_start(file, block + place), block + place, size)
    # A match may reach over the place where the next call goes on.
    return Found(None, min(end + overlap, start - 1) if end > 0 else 0, size)


def _part(data: bytes, begin: int, size: int, wanted: slice) -> LogPart:
    """The wanted ones of the lines in `data`, which stands at `begin` in the file."""
    pieces = data.split(b"\n")
    if pieces[-1] == b"":
        pieces.pop()
    lines, at = [], begin
    for piece in pieces:
        lines.append((at, piece))
        at += len(piece) + 1
    kept = lines[wanted]
    start = kept[0][0] if kept else begin
    end = min(kept[-1][0] + len(kept[-1][1]) + 1, begin + len(data)) if kept else begin
    return LogPart(start, end, size, [LogLine(at, _shown(piece)) for at, piece in kept])


def _whole_lines(data: bytes, *, is_cut: bool) -> bytes:
    """`data` up to its last newline; a line longer than the piece is cut there."""
    whole = data[: data.rfind(b"\n") + 1]
    return whole if whole or not is_cut else data


def _line_start(file: BinaryIO, place: int) -> int:
    """Where the line begins that holds byte `place`; looks back a piece at most."""
    begin = max(0, place - PART_BYTES)
    newline = _read(file, begin, place).rfind(b"\n")
    if newline >= 0:
        return begin + newline + 1
    return place if place - begin == PART_BYTES else 0


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip("\r")
    if len(text) <= LONGEST_SHOWN:
        return text
    return f"{text[:LONGEST_SHOWN]}… ({len(text) - LONGEST_SHOWN:,} characters more)"


def _read(file: BinaryIO, begin: int, end: int) -> bytes:
    begin = max(0, begin)
    file.seek(begin)
    return file.read(max(0, end - begin))


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _opened(path: Path) -> BinaryIO:
    return open_file(path)
