"""Open the pictures of a list for a worker, one by one: paths that may be read, bytes of URLs.

A list may be of any length: nothing is held but a line, and the pictures that are being fetched.
Elsewhere: what a line says (`sources/picture_list.py`), what is made of the answers
(`evaluation.py`, and the web).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from digits.sources.downloads import CONNECTIONS, Downloader, DownloadError
from digits.sources.paths import PathNotAllowed, PathPolicy
from digits.sources.picture_list import Entry, is_url, joined


@dataclass
class Opener:
    """Turns entries into what a worker takes: paths that may be read, or the bytes behind a URL.

    `reasons` says of entries (by number) why they gave no picture; whoever has read a reason may
    remove it.
    """

    folder: str
    paths: PathPolicy
    downloader: Downloader
    reasons: dict[int, str] = field(default_factory=dict)

    def open(self, number: int, entry: Entry) -> Path | bytes:
        """The path or the bytes of an entry; no bytes when it gives none."""
        name = joined(self.folder, entry.path)
        try:
            return self._fetched(name) if is_url(name) else self._existing(name)
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
                    far = is_url(joined(self.folder, entry.path))
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

    def _fetched(self, url: str) -> bytes:
        return self.downloader.fetch(url)[0]

    def _existing(self, name: str) -> Path:
        if name.startswith("~"):  # in a list that is a name like any other
            raise PathNotAllowed(f"{name} is not an absolute path: start it with a slash.")
        path = self.paths.check(name)
        if not os.path.exists(path):  # which says so of a name that is too long, too
            raise PathNotAllowed("There is no such file on the server.")
        return path


def _result(item: Future[Path | bytes] | Path | bytes) -> Path | bytes:
    return item.result() if isinstance(item, Future) else item
