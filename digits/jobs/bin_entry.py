"""A deleted job in the bin: what the name of its folder says of it, and what its files say.

The name is all that the bin writes: the job's id, when it was deleted (UTC, to the millisecond) and
by whom, as in `20260421-140640-d697a1~20260428-101500-123~ada`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from digits.jobs.job import Job

DAY_S = 24 * 3600.0
# A job's id and when it was deleted.
Moment = tuple[str, float]
# Of ids and of users' names neither has a ~.
_NAME = re.compile(
    r"(?P<job>[A-Za-z0-9][A-Za-z0-9_.-]{0,99})~(?P<stamp>\d{8}-\d{6}-\d{3})"
    r"(?:~(?P<by>[A-Za-z0-9._@-]{1,64}))?"
)
_STAMP = "%Y%m%d-%H%M%S"


@dataclass(frozen=True)
class BinEntry:
    """A deleted job.  `job` is what its job.json says, with the place that it had as its folder;
    None when that cannot be read."""

    folder: Path
    id: str  # the job's
    deleted_s: float  # since 1970
    deleted_by: str  # empty without logins
    job: Job | None = None

    @property
    def key(self) -> str:
        """What tells it from others in the bin, also from one of the same job."""
        return f"{self.id}~{_stamp(self.deleted_s)}"

    @property
    def name(self) -> str:
        return self.job.name if self.job else self.id

    @property
    def owner(self) -> str:
        """Whose it is; a job that cannot be read is the admins'."""
        return self.job.owner if self.job else ""

    @property
    def moment(self) -> Moment:
        """The job and the moment: parts were deleted at the same moment as the whole."""
        return self.id, self.deleted_s

    @property
    def whole(self) -> Moment | None:
        """The `moment` of what it would be a part of; None for what is no part of anything."""
        belongs_to = self.job.belongs_to if self.job else None
        return None if belongs_to is None else (belongs_to, self.deleted_s)

    def days_left(self, now_s: float, keep_days: float) -> int:
        """Whole days, rounded up, until it is gone for good."""
        return max(0, math.ceil((self.deleted_s - now_s) / DAY_S + keep_days))


def entry_name(job_id: str, deleted_s: float, deleted_by: str) -> str:
    """The name of a deleted job's folder."""
    return f"{job_id}~{_stamp(deleted_s)}" + (f"~{deleted_by}" if deleted_by else "")


def read_name(folder: Path) -> BinEntry | None:
    """What a folder's name says; None for one that the bin has not named."""
    found = _NAME.fullmatch(folder.name)
    if found is None:
        return None
    day, milliseconds = found["stamp"][:-4], found["stamp"][-3:]
    try:
        moment = datetime.strptime(day, _STAMP).replace(tzinfo=UTC)
        deleted_s = moment.timestamp() + int(milliseconds) / 1000
    except (ValueError, OverflowError):
        return None
    return BinEntry(folder, found["job"], deleted_s, found["by"] or "")


def to_milliseconds(moment_s: float) -> float:
    """A moment as precise as a name says it."""
    return round(moment_s * 1000) / 1000


def _stamp(moment_s: float) -> str:
    seconds, milliseconds = divmod(round(moment_s * 1000), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).strftime(_STAMP)}-{milliseconds:03}"
