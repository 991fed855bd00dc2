"""Lists of pictures to classify: a path or URL a line, optionally with the number of its label.

In: the lines of a list.  Out: its entries, and the pictures for a worker, one by one.  A list may
be of any length: nothing is held but a line, and the pictures that are being fetched.
Elsewhere: what is made of the answers (`evaluation.py`, and the web's `results.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from digits.inference.errors import BadRequest
from digits.sources.downloads import CONNECTIONS, DownloadError, fetch
from digits.sources.paths import PathNotAllowed, PathPolicy
from digits.sources.picture_list import is_url

# No path or address is longer; what is, is no list.
LONGEST_LINE_BYTES = 16 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ListError(BadRequest):
    """A list that cannot be used; the message names the line."""


@dataclass(frozen=True)
class Entry:
    """A line of a list: the text that names the picture, and its true class where given."""

    name: str
    label: int | None = None


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, whatever is in it; raises ListError for one that is too long."""
    number = 0
    while line := file.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        if len(line) > LONGEST_LINE_BYTES:
            raise ListError(
                f"Line {number} has more than {LONGEST_LINE_BYTES:,} bytes. Upload a text file "
                "with a path or URL on each line."
            )
        yield line


def parse_lines(
    lines: Iterable[bytes], labels: int, limit: int | None = None
) -> Iterator[Entry | None]:
    """An entry a line, None for an empty one; ends after `limit` entries.

    Raises ListError for a line that is no text, or has a label that is not below `labels`.
    """
    count = 0
    for number, line in enumerate(lines, 1):
        if limit is not None and count >= limit:
            return
        try:
            text = (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).decode().strip()
        except UnicodeDecodeError as error:
            raise _no_text(number) from error
        if "\0" in text:
            raise _no_text(number)
        count += bool(text)
        yield _entry(text, number, labels) if text else None


def joined(folder: str, name: str) -> str:
    """A picture's path or URL, relative ones starting at `folder`."""
    if not folder or is_url(name) or name.startswith("/"):
        return name
    return f"{folder.rstrip('/')}/{name}"


@dataclass
class Opener:
    """Turns entries into what a worker takes: paths that may be read, or the bytes behind a URL.

    `reasons` says of entries (by number) why they gave no picture; whoever has read a reason may
    remove it.
    """

    folder: str
    paths: PathPolicy
    reasons: dict[int, str] = field(default_factory=dict)

    def open(self, number: int, entry: Entry) -> Path | bytes:
        """The path or the bytes of an entry; no bytes when it gives none."""
        name = joined(self.folder, entry.name)
        try:
            return fetch(name)[0] if is_url(name) else self._existing(name)
        except (DownloadError, PathNotAllowed) as error:
            self.reasons[number] = str(error)
            return b""

    def open_all(self, entries: Iterable[Entry]) -> Iterator[Path | bytes]:
        """The same for many, in their order; a few are fetched ahead."""
        waiting: deque[Future[Path | bytes] | Path | bytes] = deque()
        with ThreadPoolExecutor(CONNECTIONS, "inference fetch") as fetching:
            try:
                for number, entry in enumerate(entries):
                    # Looking for a file takes less than handing it to a thread.
                    far = is_url(joined(self.folder, entry.name))
                    waiting.append(
                        fetching.submit(self.open, number, entry)
                        if far
                        else self.open(number, entry)
                    )
                    if len(waiting) > CONNECTIONS:
                        yield _result(waiting.popleft())
                while waiting:
                    yield _result(waiting.popleft())
            finally:
                fetching.shutdown(wait=False, cancel_futures=True)

    def _existing(self, name: str) -> Path:
        path = self.paths.check(name)
        if not path.exists():
            raise PathNotAllowed("There is no such file on the server.")
        return path


def _result(item: Future[Path | bytes] | Path | bytes) -> Path | bytes:
    return item.result() if isinstance(item, Future) else item


def _no_text(number: int) -> ListError:
    return ListError(f"Line {number} is no UTF-8 text. Upload a text file, saved as UTF-8.")


def _entry(text: str, number: int, labels: int) -> Entry:
    words = text.rsplit(None, 1)
    if len(words) == 2 and words[1].isascii() and words[1].isdigit():
        label = int(words[1][:12])
        if label >= labels:
            raise ListError(
                f"Line {number} has the label {label}, but there are {labels} labels, 0 to "
                f"{labels - 1}."
            )
        return Entry(words[0].strip(), label)
    return Entry(text)
