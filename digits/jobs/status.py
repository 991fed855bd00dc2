"""The life of a job or task: one enum, the allowed steps, and the history that pages show."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from digits.errors import JobUnreadable
from digits.jobs.record import quoted, require_moment


class Status(StrEnum):
    """The six states, by the names that routes answer."""

    INITIALIZED = "Initialized"
    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    ABORTED = "Aborted"
    ERROR = "Error"

    @property
    def is_active(self) -> bool:
        """Whether the scheduler still has something to do for it."""
        return self in _ACTIVE

    @property
    def css(self) -> str:
        """The Bootstrap colour that pages give it."""
        return _CSS[self]


# How pages call what is Aborted and saved its state, to go on later; scripts know no such status.
PAUSED = "Paused"
# A tuple: looking an Enum up in a set calls Python code to hash it.
_ACTIVE = (Status.INITIALIZED, Status.WAITING, Status.RUNNING)
_BY_VALUE = {status.value: status for status in Status}
_CSS = {
    Status.INITIALIZED: "warning",
    Status.WAITING: "warning",
    Status.RUNNING: "info",
    Status.DONE: "success",
    Status.ABORTED: "secondary",
    Status.ERROR: "danger",
}

# Where a status may go.  An ended job waits again when it is resumed; a running one waits again
# when the server stopped it and will go on with it at its next start, and while its next task waits
# for a slot.
ALLOWED_STEPS: dict[Status, frozenset[Status]] = {
    Status.INITIALIZED: frozenset({Status.WAITING, Status.ABORTED, Status.ERROR}),
    Status.WAITING: frozenset({Status.RUNNING, Status.ABORTED, Status.ERROR}),
    Status.RUNNING: frozenset({Status.DONE, Status.ABORTED, Status.ERROR, Status.WAITING}),
    Status.DONE: frozenset({Status.WAITING}),
    Status.ABORTED: frozenset({Status.WAITING}),
    Status.ERROR: frozenset({Status.WAITING}),
}


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A status and the moment (seconds since the epoch) at which it was reached.

    `ticks_s` is the same moment on a clock that nobody sets, for durations; it is known as long as
    the server lives.
    """

    status: Status
    time_s: float
    ticks_s: float | None = field(default=None, compare=False)

    def seconds_to(self, later: StatusChange) -> float:
        """How long it lasted, never less than nothing."""
        if self.ticks_s is not None and later.ticks_s is not None:
            return max(0.0, later.ticks_s - self.ticks_s)
        return max(0.0, later.time_s - self.time_s)


def _now(status: Status) -> StatusChange:
    return StatusChange(status, time.time(), time.monotonic())


@dataclass(frozen=True)
class StatusSpan:
    """A status as pages show it: when it began and how long it lasted (None: it still does)."""

    status: Status
    time_s: float
    duration_s: float | None


@dataclass(slots=True)
class StatusHistory:
    """The statuses of a job or task, oldest first; never empty.

    `status` is the last of them, kept apart since lists ask it of ten thousand jobs.
    """

    changes: list[StatusChange] = field(default_factory=list)
    status: Status = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.changes:
            self.changes.append(_now(Status.INITIALIZED))
        self.status = self.changes[-1].status

    @property
    def since_s(self) -> float:
        """When the present status was reached, in seconds since the epoch."""
        return self.changes[-1].time_s

    @property
    def created_s(self) -> float:
        """When the first status was reached, in seconds since the epoch."""
        return self.changes[0].time_s

    @property
    def queued_s(self) -> float:
        """When the user put it into the queue (made or resumed it), in seconds since the epoch.

        A stop of the server, or a wait between two tasks, does not send it to the queue's end.
        """
        queued_s = self.created_s
        for before, after in pairwise(self.changes):
            if after.status is Status.WAITING and before.status is not Status.RUNNING:
                queued_s = after.time_s
        return queued_s

    def move_to(self, status: Status, now_s: float | None = None) -> bool:
        """Add a status; False when it is the present one already.

        Raises ValueError for a step that is not in ALLOWED_STEPS: a bug, never the user's doing.
        """
        if status is self.status:
            return False
        if status not in ALLOWED_STEPS[self.status]:
            raise ValueError(f"a job cannot go from {self.status} to {status}")
        self.changes.append(_now(status) if now_s is None else StatusChange(status, now_s))
        self.status = status
        return True

    def spans(self) -> list[StatusSpan]:
        """The history with durations, for pages."""
        ended = [
            StatusSpan(change.status, change.time_s, change.seconds_to(after))
            for change, after in pairwise(self.changes)
        ]
        last = self.changes[-1]
        return [*ended, StatusSpan(last.status, last.time_s, None)]

    def running_s(self) -> float:
        """Seconds spent in Running, up to now when it still runs."""
        changes = self.changes
        if self.status is Status.RUNNING:
            changes = [*changes, _now(self.status)]
        return sum(
            change.seconds_to(after)
            for change, after in pairwise(changes)
            if change.status is Status.RUNNING
        )

    def to_json(self) -> list[tuple[str, float]]:
        return [(change.status.value, change.time_s) for change in self.changes]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> StatusHistory:
        """A history as `to_json` gave it; JobUnreadable when it is empty, or none."""
        if not isinstance(data, list | tuple) or not data:
            raise JobUnreadable("a history must be a list of [status, time], at least one")
        return cls([_change(entry) for entry in data])


def _change(entry: Any) -> StatusChange:
    if not isinstance(entry, list | tuple) or len(entry) != 2:
        raise JobUnreadable(f"a history must hold [status, time], received {quoted(entry)}")
    status, time_s = entry
    if not isinstance(status, str) or status not in _BY_VALUE:
        raise JobUnreadable(f"there is no status {quoted(status)}")
    require_moment(time_s, "a time of the history")
    return StatusChange(_BY_VALUE[status], float(time_s))


class HasStatus:
    """What a job and its tasks have in common: a history of statuses, and words for the last."""

    history: StatusHistory

    @property
    def status(self) -> Status:
        return self.history.status

    @property
    def is_paused(self) -> bool:
        """Whether it was stopped to go on later, with its state saved."""
        raise NotImplementedError

    @property
    def status_word(self) -> str:
        """Its status as people read it: scripts know what is paused as Aborted."""
        return PAUSED if self.is_paused else self.status.value

    @property
    def css(self) -> str:
        """The colour that pages give its status."""
        return PAUSED.lower() if self.is_paused else self.status.css
