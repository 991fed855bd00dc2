"""Lists of pictures: a path or URL a line, and the number of its label (`train.txt`, `labels.txt`).

The one reading of such a list, whoever wrote it: a user who makes a dataset of it, a program for
another one, or a user who wants its pictures classified.

- Everything is UTF-8; a mark of the byte order is passed over, and so are empty lines.  A line with
  a zero byte, or of more than 16 KiB, is refused: that is no list.
- The last word of a line is its label when it is a whole number, as Caffe's convert_imageset reads
  one: digits with a sign or without, so `a.png +1` and `a.png 01` have the label 1.  Labels count
  the lines of labels.txt from 0; a negative one is refused.  One that has no line there is refused
  for datasets; of pictures to classify it counts as no label, as in DIGITS since 3.3.
- What is before it is the path: blanks (of ASCII) around it do not count, those in it do.  A line
  whose last word is something else has no label and is all path.  Datasets need a label on each
  line; for pictures to classify it may be left out.
- An http or https address stands for itself.  Any other path starts at the list's folder.  Below a
  folder on the disk an absolute path stands for itself; below an address nothing leads to the
  disk, so `/a.png` is below it as well, as Caffe puts `root_folder` before every path.
- Below an address a path is the name of a file: what has a meaning in URLs is percent-encoded, so
  `a#b.png` is asked for as `a%23b.png`.  A `%` stays as it is, for names that are encoded already.

Source: convert_imageset.cpp; DIGITS' own lists, whose paths may hold blanks.
Elsewhere: which paths may be read (`paths.py`).
"""

from __future__ import annotations

import array
import mmap
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, get_args
from urllib.parse import quote, urlsplit

from digits.base.atomic import atomic_write
from digits.errors import ToolError

LABELS_FILE = "labels.txt"
# The sets of a dataset: each has a list, `train.txt`, and a database.
SetName = Literal["train", "val", "test"]
SPLITS: tuple[SetName, ...] = get_args(SetName)
# No path or address is longer; what is, is no list.
LONGEST_LINE_BYTES = 16 * 1024
LARGEST_LABEL = 2**31 - 1  # Datum.label is an int32
# A broken list could hold a million errors; people read a few.
_MAX_ERRORS = 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What a path may hold in a URL as it stands (RFC 3986, pchar); all else is percent-encoded.
SAFE_IN_URL_PATH = "/%:@!$&'()*+,;=-._~"
_LABEL = re.compile(rb"[+-]?[0-9]+")


class ListError(ToolError):
    """A list that cannot be used; the message names the line."""


class BadLine(Exception):
    """A line that cannot be used.

    The message is for whoever has the list as a file; `told` goes after "Line 7" for whoever has
    sent it.
    """

    def __init__(self, message: str, told: str) -> None:
        super().__init__(message)
        self.told = told


@dataclass(frozen=True)
class Entry:
    """A line of a list: the text that names the picture, and its label where there is one."""

    path: str  # a path or a URL
    label: int | None = None


@dataclass(frozen=True)
class LabelledEntry(Entry):
    """A line that has its label."""

    label: int


def parse_line(line: bytes, categories: int | None = None) -> Entry | None:
    """What a line says, None if it is empty; `categories` is how many there are, None if unknown.

    Raises BadLine for what is no text, and for a label that cannot be one.
    """
    entry = _read_line(line)
    if entry is not None and entry.label is not None:
        _check_label(entry.label, categories)
    return entry


def _read_line(line: bytes) -> Entry | None:
    """What a line says, whatever its label; None if it is empty."""
    if len(line.removesuffix(b"\n")) > LONGEST_LINE_BYTES:
        raise BadLine(
            f"the line has more than {LONGEST_LINE_BYTES:,} bytes; it must be `path label`.",
            f"has more than {LONGEST_LINE_BYTES:,} bytes. Upload a text file with a path or URL on "
            "each line.",
        )
    path, label = _split(line)
    try:
        text = path.decode()
    except UnicodeDecodeError as error:
        raise _no_text() from error
    if "\0" in text:
        raise _no_text()
    return Entry(text, label) if text else None


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, whatever is in it; of one that is too long, no more than shows it."""
    ends = len(_BYTE_ORDER_MARK) + len(b"\n")
    while line := file.readline(LONGEST_LINE_BYTES + ends + 1):
        yield line


def parse_lines(
    lines: Iterable[bytes], categories: int, limit: int | None = None
) -> Iterator[Entry | None]:
    """An entry a line, None for an empty one; ends after `limit` entries.

    A label that is too large for the `categories` counts as none.  Raises ListError, naming the
    first line that cannot be used.
    """
    count = 0
    for number, line in enumerate(lines, 1):
        if limit is not None and count >= limit:
            return
        try:
            entry = _read_line(_unmarked(line) if number == 1 else line)
            if entry is not None and entry.label is not None:
                entry = _without_large_label(entry, entry.label, categories)
        except BadLine as bad:
            raise ListError(f"Line {number} {bad.told}") from bad
        count += entry is not None
        yield entry


def _without_large_label(entry: Entry, label: int, categories: int) -> Entry:
    if label >= categories:
        return Entry(entry.path)
    _check_label(label, categories)
    return entry


def is_url(text: str) -> bool:
    """Whether a text is an http or https address, and not a path."""
    text = text.strip()
    if not text[:8].lower().startswith(("http://", "https://")):  # soon said of a million paths
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port  # ValueError when it is none
    except ValueError:
        return False
    return bool(parts.hostname) and text.isprintable()


def joined(folder: str | None, path: str) -> str:
    """Where a picture of a list is whose paths start at `folder`, a path, a URL or nothing."""
    if not folder or is_url(path):
        return path
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


def write_list(path: Path, entries: Iterable[LabelledEntry]) -> None:
    """Write a list, whole or not at all."""
    with atomic_write(path) as file:
        file.writelines(f"{entry.path} {entry.label}\n".encode() for entry in entries)


def write_labels(path: Path, labels: Sequence[str]) -> None:
    """Write labels.txt, whole or not at all."""
    with atomic_write(path) as file:
        file.writelines(f"{label}\n".encode() for label in labels)


def read_labels(path: Path) -> list[str]:
    """The categories, in the order of their numbers; those of one name are told apart.

    Raises ToolError when the file is missing, not UTF-8, or has a line that is empty or more than
    one for other programs.
    """
    lines = _text(path).split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    labels = [line.strip() for line in lines]
    if not labels:
        raise ToolError(f"{path} is empty; it must have one category per line.")
    for number, label in enumerate(labels, 1):
        if not label:
            raise ToolError(f"{path}:{number}: an empty line, where a category must stand.")
        if label.splitlines() != [label]:  # a vertical tab or U+2028 ends a line for others
            raise ToolError(f"{path}:{number}: the category {label!r} has a line break in it.")
    return told_apart(labels)


def told_apart(labels: Sequence[str]) -> list[str]:
    """`labels` with their numbers behind those that stand more than once: "crane (134)".

    ImageNet has two classes "crane", a bird and a machine.  Pages, answers and logs go by names.
    """
    counts = Counter(labels)
    taken = {label for label, count in counts.items() if count == 1}
    return [
        label if counts[label] == 1 else _numbered(label, number, taken)
        for number, label in enumerate(labels)
    ]


def _numbered(label: str, number: int, taken: set[str]) -> str:
    name = f"{label} ({number})"
    while name in taken:  # by a category that is called so
        name += f" ({number})"
    taken.add(name)
    return name


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


class PictureList(Sequence[LabelledEntry]):
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

    def __getitem__(self, index: int) -> LabelledEntry:  # type: ignore[override]
        start = self._offsets[index]
        end = self._content.find(b"\n", start)
        path, label = _split(bytes(self._content[start : end if end >= 0 else len(self._content)]))
        return LabelledEntry(joined(self.folder, path.decode()), label or 0)

    def line_at(self, index: int) -> int:
        """Where a picture's line begins in the list's file, in bytes."""
        return self._offsets[index]

    def __iter__(self) -> Iterator[LabelledEntry]:
        return (self[index] for index in range(len(self)))

    def _check(self, categories: int | None) -> None:
        self.label_counts: dict[int, int] = {}  # label -> lines
        errors: list[str] = []
        for number, (offset, line) in enumerate(self._lines(), 1):
            problem = self._problem(offset, line, categories)
            if problem is None:
                continue
            if len(errors) < _MAX_ERRORS:
                errors.append(f"{self.path}:{number}: {problem}")
            else:
                errors.append("...")
                break
        if errors and categories and self._counts_from_one(categories):
            raise ToolError(
                f"{self.path}: labels count from 0, but yours begin at 1: they go up to "
                f"{categories}, for {categories} categories. Subtract 1 from each."
            )
        if errors:
            raise ToolError("\n".join(errors))
        if not self._offsets:
            raise ToolError(f"{self.path} lists no picture; each line must be `path label`.")

    def _counts_from_one(self, categories: int) -> bool:
        """Whether all labels lie between 1 and the number of categories."""
        labels = (_split(line)[1] for _, line in self._lines() if line.strip())
        return all(label is not None and 1 <= label <= categories for label in labels)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """(offset, line) of every line."""
        start = len(_BYTE_ORDER_MARK) if self._content[:3] == _BYTE_ORDER_MARK else 0
        while start < len(self._content):
            end = self._content.find(b"\n", start)
            end = end if end >= 0 else len(self._content)
            yield start, bytes(self._content[start:end])
            start = end + 1

    def _problem(self, offset: int, line: bytes, categories: int | None) -> str | None:
        """What is wrong with a line, or None; counts its picture and label."""
        try:
            entry = parse_line(line, categories)
        except BadLine as bad:
            return str(bad)
        if entry is None:
            return None
        if entry.label is None:
            return f"expected `path label` with a number at the end, got {entry.path[:200]!r}."
        self._offsets.append(offset)
        self.label_counts[entry.label] = self.label_counts.get(entry.label, 0) + 1
        return None


def _split(line: bytes) -> tuple[bytes, int | None]:
    """The path of a line, and its label if the last word is one."""
    words = line.strip().rsplit(None, 1)
    if len(words) < 2 or not _LABEL.fullmatch(words[1]):
        return line.strip(), None
    digits = words[1].lstrip(b"+-").lstrip(b"0")
    label = int(digits[:12] or b"0")  # more digits are as wrong as twelve
    return words[0], -label if words[1].startswith(b"-") else label


def _check_label(label: int, categories: int | None) -> None:
    """Raises BadLine for a number that cannot be a label."""
    if label < 0:
        said = f"the label {label} is negative; labels count from 0."
        raise BadLine(said, f"has the label {label}. Labels count from 0.")
    if label > LARGEST_LABEL:
        said = f"a label of at most {LARGEST_LABEL}"
        raise BadLine(f"expected `path label` with {said}.", f"must have {said}.")
    if categories is not None and label >= categories:
        said = f"{label}, but there are {categories} labels, 0 to {categories - 1}."
        if label == categories:
            said += " If yours begin at 1, subtract 1 from each."
        raise BadLine(f"the label is {said}", f"has the label {said}")


def _no_text() -> BadLine:
    return BadLine(
        "not valid UTF-8; save the file as UTF-8.",
        "is not UTF-8 text. Upload a text file, saved as UTF-8.",
    )


def _unmarked(line: bytes) -> bytes:
    """The first line of a file without the mark of the byte order."""
    return line.removeprefix(_BYTE_ORDER_MARK)
