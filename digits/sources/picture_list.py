"""The lists that the programs hand to each other: `train.txt` and the like, and `labels.txt`.

A list has a picture a line, `path label`: the path may hold spaces, the label is a number and
counts the lines of labels.txt from 0.  Everything is UTF-8.
"""

from __future__ import annotations

import array
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from digits.base.atomic import atomic_write
from digits.errors import ToolError

LABELS_FILE = "labels.txt"
# A broken list could hold a million errors; people read a few.
_MAX_ERRORS = 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What a path may hold in a URL as it stands (RFC 3986, pchar); all else is percent-encoded.
SAFE_IN_URL_PATH = "/%:@!$&'()*+,;=-._~"


@dataclass(frozen=True)
class Entry:
    """A line of a list."""

    path: str  # a path or a URL
    label: int


def is_url(path: str) -> bool:
    return path.lower().startswith(("http://", "https://"))


def joined(folder: str, path: str) -> str:
    """Where a path of a list is, relative to `folder`, a path or a URL."""
    if is_url(folder):
        return f"{folder.rstrip('/')}/{quote(path.lstrip('/'), safe=SAFE_IN_URL_PATH)}"
    return os.path.join(folder, path)


def cannot_be_listed(path: str) -> str | None:
    """Why a path cannot stand in a list, or None."""
    if path.splitlines() != [path]:  # a vertical tab or U+2028 ends a line, too
        return "its name has a line break, so it cannot stand in a list; rename it"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8, so it cannot stand in a list; rename it"
    return None


def write_list(path: Path, entries: Iterable[Entry]) -> None:
    """Write a list, whole or not at all."""
    with atomic_write(path) as file:
        file.writelines(f"{entry.path} {entry.label}\n".encode() for entry in entries)


def write_labels(path: Path, labels: Sequence[str]) -> None:
    """Write labels.txt, whole or not at all."""
    with atomic_write(path) as file:
        file.writelines(f"{label}\n".encode() for label in labels)


def read_labels(path: Path) -> list[str]:
    """The categories, in the order of their numbers.

    Raises ToolError when the file is missing, not UTF-8, or has an empty or repeated line.
    """
    lines = _text(path).split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    labels = [line.strip() for line in lines]
    if not labels:
        raise ToolError(f"{path} is empty; it must have a category a line.")
    first_line: dict[str, int] = {}
    for number, label in enumerate(labels, 1):
        if not label:
            raise ToolError(f"{path}:{number}: an empty line, where a category must stand.")
        if label in first_line:
            raise ToolError(
                f"{path}:{number}: the category {label!r} is already on line {first_line[label]}."
            )
        first_line[label] = number
    return labels


def _text(path: Path) -> str:
    data = _read(path).removeprefix(_BYTE_ORDER_MARK)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ToolError(f"{path}:{line}: not valid UTF-8; save the file as UTF-8.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(f"{path} cannot be read: {error.strerror}.") from error


class PictureList(Sequence[Entry]):
    """A list file, checked once and read line by line: a million lines take 8 MB of memory."""

    def __init__(
        self, path: Path, folder: Path | str | None = None, categories: int | None = None
    ) -> None:
        """Open the list at `path`; relative pictures are looked for in `folder`, a path or a URL.

        Raises ToolError, naming the first bad lines: no label, a label that is no number, negative
        or not below `categories`, no UTF-8, no line at all.
        """
        self.path, self.folder = path, None if folder is None else str(folder)
        self._offsets = array.array("q")
        self._content = self._map()
        self._check(categories)

    def _map(self) -> mmap.mmap | bytes:
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) == 0:
                    return b""
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ToolError(f"{self.path} cannot be read: {error.strerror}.") from error
        except ValueError as error:  # not a file that can be mapped
            raise ToolError(f"{self.path} cannot be read: {error}.") from error

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> Entry:  # type: ignore[override]
        start = self._offsets[index]
        end = self._content.find(b"\n", start)
        line = bytes(self._content[start : end if end >= 0 else len(self._content)])
        path, label = line.decode().rsplit(None, 1)
        path = path.strip()
        if self.folder is not None and not is_url(path):
            path = joined(self.folder, path)
        return Entry(path, int(label))

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    def _check(self, categories: int | None) -> None:
        self.label_counts: dict[int, int] = {}  # label -> lines
        errors: list[str] = []
        for number, (offset, line) in enumerate(self._lines(), 1):
            if not line.strip():
                continue
            problem = self._problem(line, categories)
            if problem is None:
                self._offsets.append(offset)
            elif len(errors) < _MAX_ERRORS:
                errors.append(f"{self.path}:{number}: {problem}")
            else:
                errors.append("...")
                break
        if errors:
            raise ToolError(" ".join(errors))
        if not self._offsets:
            raise ToolError(f"{self.path} names no picture; it must have `path label` a line.")

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """(offset, line) of every line."""
        start = len(_BYTE_ORDER_MARK) if self._content[:3] == _BYTE_ORDER_MARK else 0
        while start < len(self._content):
            end = self._content.find(b"\n", start)
            end = end if end >= 0 else len(self._content)
            yield start, bytes(self._content[start:end])
            start = end + 1

    def _problem(self, line: bytes, categories: int | None) -> str | None:
        """What is wrong with a line, or None; counts its label."""
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return "not valid UTF-8; save the file as UTF-8."
        fields = text.rsplit(None, 1)
        if len(fields) < 2 or not _is_whole_number(fields[1]):
            return f"expected `path label` with a number at the end, got {text.strip()[:200]!r}."
        label = int(fields[1])
        if label < 0:
            return f"the label {label} is negative; labels count from 0."
        if categories is not None and label >= categories:
            return (
                f"the label is {label}, but there are {categories} labels, 0 to {categories - 1}."
            )
        self.label_counts[label] = self.label_counts.get(label, 0) + 1
        return None


def _is_whole_number(text: str) -> bool:
    digits = text.removeprefix("-").removeprefix("+")
    # Datum.label is an int32; ten digits may still exceed it, which `int` then shows.
    return digits.isascii() and digits.isdigit() and len(digits) <= 9
