"""What of the bin a user may see: rows for its page and for scripts, and its size in a word.

In: a bin, who asks, the moment.  Out: `BinRow`s, and the same as plain JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from digits.base.formatting import file_size, iso_time
from digits.jobs.bin import Bin
from digits.jobs.bin_entry import DAY_S, BinEntry
from digits.jobs.contents import FolderContents
from digits.jobs.scheduler import Scheduler

PAGE_SIZE = 25

MayChange = Callable[[BinEntry], bool]


@dataclass(frozen=True)
class BinRow:
    """A deleted job; `contents` is None while nobody has counted it, `missing` are the ids of jobs
    that it needs, and that are not there."""

    entry: BinEntry
    contents: FolderContents | None
    until_s: float  # since 1970
    days_left: int
    missing: Sequence[str]

    @property
    def kind(self) -> str:
        """The kind of job in words; empty when its job.json cannot be read."""
        return self.entry.job.title if self.entry.job else ""

    @property
    def size(self) -> str:
        return size_words(self.contents)

    def to_json(self) -> dict[str, Any]:
        entry, contents = self.entry, self.contents
        return {
            "id": entry.id,
            "key": entry.key,
            "name": entry.name,
            "type": self.kind,
            "status": entry.job.status.value if entry.job else None,
            "owner": entry.owner,
            "deleted_by": entry.deleted_by,
            "deleted": iso_time(entry.deleted_s),
            "until": iso_time(self.until_s),
            "days_left": self.days_left,
            "files": contents.files if contents else None,
            "size_bytes": contents.size_bytes if contents else None,
            "size": self.size,
            "missing": list(self.missing),
        }


def visible(bin_: Bin, may_change: MayChange) -> list[BinEntry]:
    """What a user may restore, deleted last first; parts come with their wholes."""
    mine = [entry for entry in bin_.table.wholes() if may_change(entry)]
    return sorted(mine, key=lambda entry: (-entry.deleted_s, entry.key))


def rows(scheduler: Scheduler, entries: Sequence[BinEntry]) -> list[BinRow]:
    """The rows of some entries."""
    return [_row(scheduler, entry) for entry in entries]


def _row(scheduler: Scheduler, entry: BinEntry) -> BinRow:
    bin_ = scheduler.bin
    return BinRow(
        entry,
        bin_.table.contents(entry),
        entry.deleted_s + bin_.keep_days * DAY_S,
        entry.days_left(bin_.clock(), bin_.keep_days),
        scheduler.missing(entry.job) if entry.job else [],
    )


def contents_of(bin_: Bin, entries: Sequence[BinEntry]) -> FolderContents | None:
    """What these and their parts hold together; None while that is not counted."""
    with_parts = [each for entry in entries for each in (entry, *bin_.table.parts(entry))]
    if len(with_parts) == len(bin_.table):
        return bin_.table.total()
    return bin_.table.contents_of(with_parts)


def size_words(contents: FolderContents | None) -> str:
    """How large it is; empty while that is not counted."""
    if contents is None:
        return ""
    return f"{'' if contents.is_complete else 'more than '}{file_size(contents.size_bytes)}"


@dataclass(frozen=True)
class BinState:
    """What becomes of a job that is deleted now."""

    keep_days: float
    until_s: float  # since 1970
    problem: str | None  # why nothing can be moved into the bin
    is_short: bool  # whether the disk is short of room, so that nothing stays there

    @property
    def keeps(self) -> bool:
        """Whether it can be restored later."""
        return self.keep_days > 0 and self.problem is None and not self.is_short

    def to_json(self) -> dict[str, Any]:
        return {
            "until": iso_time(self.until_s) if self.keeps else None,
            "keep_deleted_days": self.keep_days,
            "problem": self.problem,
            "disk_is_short": self.is_short,
        }


def state(scheduler: Scheduler) -> BinState:
    """The bin now."""
    bin_ = scheduler.bin
    return BinState(
        bin_.keep_days,
        bin_.clock() + bin_.keep_days * DAY_S,
        bin_.problem if bin_.keeps else None,
        scheduler.store.is_short_of_room,
    )


@dataclass(frozen=True)
class BinSummary:
    """The bin as far as somebody may see it."""

    count: int
    size: str
    state: BinState


def summary(scheduler: Scheduler, may_change: MayChange) -> BinSummary:
    """What the home page says of the bin."""
    mine = [entry for entry in scheduler.bin.table.wholes() if may_change(entry)]
    return BinSummary(len(mine), size_words(contents_of(scheduler.bin, mine)), state(scheduler))
