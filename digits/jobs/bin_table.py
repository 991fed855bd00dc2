"""What is in the bin, as the server remembers it: entries by id, their parts, and what they hold.

What is taken out is claimed first: of two who want the same job, one is told that it is not there.
Elsewhere: the folders (`bin.py`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from digits.errors import NotInBin
from digits.jobs.bin_entry import BinEntry, Moment
from digits.jobs.contents import FolderContents, sum_of


class BinTable:
    """The entries of one bin."""

    def __init__(self) -> None:
        # Guards all below, never while the disk is waited for.
        self._lock = threading.Lock()
        self._entries: dict[str, BinEntry] = {}
        self._parts: dict[Moment, dict[str, BinEntry]] = {}
        self._claimed: set[Path] = set()
        self._contents: dict[str, FolderContents] = {}
        self._total: FolderContents | None = None  # of all; None when it must be added up again

    def __len__(self) -> int:
        return len(self._entries)

    def all(self) -> list[BinEntry]:
        """Everything, in no order."""
        with self._lock:
            return list(self._entries.values())

    def wholes(self) -> list[BinEntry]:
        """The same without what was deleted as a part of another job that is there as well."""
        with self._lock:
            moments = {entry.moment for entry in self._entries.values()}
            return [entry for entry in self._entries.values() if entry.whole not in moments]

    def parts(self, whole: BinEntry) -> list[BinEntry]:
        """What was deleted as a part of it."""
        with self._lock:
            return list(self._parts.get(whole.moment, {}).values())

    def find(self, text: str) -> BinEntry:
        """The entry with this id, or the last one of the job with this id; NotInBin."""
        with self._lock:
            if text in self._entries:
                return self._entries[text]
            same = [entry for entry in self._entries.values() if entry.id == text]
        if not same:
            raise NotInBin(text)
        return max(same, key=lambda entry: entry.deleted_s)

    def holds(self, job_id: str) -> bool:
        """Whether the job is there."""
        return any(entry.id == job_id for entry in self.all())

    def get(self, entry_id: str) -> BinEntry | None:
        """The entry with exactly this id."""
        return self._entries.get(entry_id)

    # Changes ------------------------------------------------------------------------------------

    def add(self, entry: BinEntry) -> None:
        """It is there now."""
        with self._lock:
            self._claimed.discard(entry.folder)
            self._insert(entry)
            self._total = None

    def replace_all(self, entries: Iterable[BinEntry]) -> None:
        """These were found on the disk; what somebody has claimed meanwhile is not among them."""
        found = [entry for entry in entries if os.path.lexists(entry.folder)]
        with self._lock:
            self._entries, self._parts, self._total = {}, {}, None
            for entry in found:
                if entry.folder not in self._claimed:
                    self._insert(entry)

    def claim(self, entry: BinEntry) -> None:
        """Take it out, so that nobody else finds it; NotInBin when somebody was faster."""
        with self._lock:
            if self._entries.pop(entry.key, None) is None:
                raise NotInBin(entry.key)
            self._claimed.add(entry.folder)
            self._total = None
            if entry.whole is not None:
                self._parts.get(entry.whole, {}).pop(entry.key, None)

    def forget(self, entry: BinEntry) -> None:
        """What was claimed is not in the bin any more."""
        with self._lock:
            self._claimed.discard(entry.folder)
            self._contents.pop(entry.key, None)

    def is_claimed(self, folder: Path) -> bool:
        """Whether somebody is taking this folder out."""
        return folder in self._claimed

    def _insert(self, entry: BinEntry) -> None:
        self._entries[entry.key] = entry
        if entry.whole is not None:
            self._parts.setdefault(entry.whole, {})[entry.key] = entry

    # What their folders hold --------------------------------------------------------------------

    def uncounted(self) -> list[BinEntry]:
        """Those of which nobody has counted what they hold."""
        return [entry for entry in self.all() if entry.key not in self._contents]

    def note_contents(self, entry: BinEntry, contents: FolderContents) -> None:
        """What was counted in its folder."""
        with self._lock:
            if entry.key in self._entries:
                self._contents[entry.key] = contents
                self._total = None

    def total(self) -> FolderContents | None:
        """What all folders hold together; None while that is not counted."""
        if self._total is None:
            with self._lock:
                self._total = sum_of(self._contents.get(entry_id) for entry_id in self._entries)
        return self._total

    def contents(self, entry: BinEntry) -> FolderContents | None:
        """What its folder holds, and those of its parts; None while that is not counted."""
        return self.contents_of([entry, *self.parts(entry)])

    def contents_of(self, entries: Iterable[BinEntry]) -> FolderContents | None:
        """What the folders of these hold together; None while that is not counted."""
        return sum_of(self._contents.get(entry.key) for entry in entries)
