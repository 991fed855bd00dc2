"""Empties the bin: of what was kept for long enough, and of the oldest when the disk is short.

In: a bin.  Out: fewer folders, and lines in the log that say which jobs are gone for good.  It also
counts what the folders hold.  `step` is one pass, and a test can call it by hand.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from digits.base.aside import Aside, here
from digits.errors import BinUnusable, NotInBin
from digits.jobs.bin import GOING, Bin, folders_in
from digits.jobs.bin_entry import DAY_S, BinEntry, to_milliseconds
from digits.jobs.contents import count_contents
from digits.jobs.removal import erase

log = logging.getLogger(__name__)

# How often the room on the disk is looked at while there is something in the bin: a training may
# write a snapshot of some hundred megabytes at any time.
LOOK_S = 5.0
# What a clock may be set back by without anybody caring.
CLOCK_SLACK_S = 60.0
STOP_S = 5.0


class BinKeeper:
    """Looks after one bin, from `start` to `stop`.

    `is_short` says whether the disk is short of room, `aside` runs what takes long.
    """

    def __init__(self, bin_: Bin, is_short: Callable[[], bool], *, aside: Aside = here) -> None:
        self.bin = bin_
        self._is_short = is_short
        self._aside = aside
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="scheduler bin", daemon=True)

    def start(self) -> None:
        """Begin; what was kept for long enough goes first."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a removal that is under way is ended at the next start."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def look_now(self) -> None:
        """Something was put there."""
        self._wake.set()

    def _loop(self) -> None:
        self._pass(self.end_removals)
        while not self._stopping:
            self._wake.clear()
            self._pass(self.step)
            self._wake.wait(LOOK_S if len(self.bin.table) else None)

    def _pass(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            # The loop must survive a failing pass; the next one tries again.
            log.exception("the bin could not be looked after")

    def end_removals(self) -> None:
        """Remove what a server that was killed has left half removed."""
        for folder in folders_in(self.bin.folder):
            if folder.name.startswith(GOING) and not self._stopping:
                log.info("%s: ending its removal", folder)
                erase(folder)

    def step(self) -> None:
        """One pass over everything."""
        if not self.bin.is_there():
            return
        self.set_back_moments()
        self.discard_expired()
        make_room(self.bin, self._is_short)
        self.count()

    def set_back_moments(self) -> None:
        """Let what was deleted later than now be deleted now: the clock was set back.

        Else it would be kept until that moment comes, and for the days after it.
        """
        now_s = to_milliseconds(self.bin.clock())
        for entry in self.bin.table.all():
            if entry.deleted_s > now_s + CLOCK_SLACK_S:
                try:
                    self.bin.restamp(entry, now_s)
                except (NotInBin, BinUnusable) as error:
                    log.info("%s: it keeps its moment: %s", entry.key, error)

    def discard_expired(self) -> None:
        """Remove what was kept for long enough."""
        oldest_s = self.bin.clock() - self.bin.keep_days * DAY_S
        for entry in self.bin.table.wholes():
            if entry.deleted_s <= oldest_s and not self._stopping:
                _discard(self.bin, entry, "it was kept for long enough")

    def count(self) -> None:
        """Count what the folders hold that were not counted yet."""
        for entry in self.bin.table.uncounted():
            if self._stopping:
                return
            self.bin.table.note_contents(entry, self._aside(count_contents, entry.folder))


def make_room(bin_: Bin, is_short: Callable[[], bool]) -> None:
    """Remove the oldest from the bin while the disk is short of room."""
    if not len(bin_.table) or not is_short():
        return
    for entry in sorted(bin_.table.wholes(), key=lambda entry: entry.deleted_s):
        if not is_short():
            return
        _discard(bin_, entry, "the disk is short of room")


def _discard(bin_: Bin, entry: BinEntry, why: str) -> None:
    try:
        bin_.discard(entry)
    except NotInBin:
        return  # somebody else was faster
    except BinUnusable as error:
        log.error("%s: %s", entry.id, error)
        return
    log.warning("%s: %r has left the bin for good: %s", entry.id, entry.name, why)
