"""What the log of one of `digits.tools` says: progress, pictures by category, what was left out.

In: the lines that those programs share (`base/progress.py`), in order.  Out: the state that pages
show; bounded, however long the log is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from digits.base.progress import (
    Distribution,
    Done,
    Event,
    Failed,
    Progress,
    Skipped,
    Warned,
    parse_line,
)

# Pages show the first ones; all of them stand in the log.
MOST_SKIPPED_SHOWN = 100
# What a line with a stamp and a level begins with; most of others are for people alone.
LONGEST_LINE = 1 << 20


@dataclass
class ProgramDigest:
    """Progress, distributions, skipped pictures and warnings of a program."""

    version: ClassVar[int] = 1

    progress: float = 0.0  # 0.0 to 1.0
    eta_s: float | None = None
    done_count: int = 0
    total_count: int | None = None
    unit: str = ""
    per_second: float | None = None
    # Name of a set or database -> category -> pictures.
    distributions: dict[str, Mapping[str, int]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    skipped_count: int = 0
    warnings: list[str] = field(default_factory=list)
    summary: str | None = None
    failure: str | None = None

    def take(self, line: bytes) -> Event | None:
        """Take one line of the log; what it says, if it says something."""
        event = parse_line(line.decode("utf-8", "replace"))
        match event:
            case Progress():
                self._take_progress(event)
            case Distribution(name, counts):
                self.distributions[name] = counts
            case Skipped():
                self.skipped_count += 1
                if len(self.skipped) < MOST_SKIPPED_SHOWN:
                    self.skipped.append(event)
            case Warned(text):
                self.warnings = [*self.warnings, text][-MOST_SKIPPED_SHOWN:]
            case Done(text):
                self.summary = text
                self.progress, self.eta_s = 1.0, 0.0
            case Failed(text):
                # Programs write one line; of a bad list it tells several, with the break escaped.
                self.failure = text.replace("\\n", "\n")
        return event

    def _take_progress(self, progress: Progress) -> None:
        self.done_count, self.total_count = progress.done, progress.total
        self.unit, self.per_second = progress.unit, progress.per_second
        # The bar is full when the result is on disk, which `Done` says.
        self.progress = min(progress.fraction, 0.99)
        self.eta_s = progress.seconds_left

    def to_bytes(self) -> bytes:
        """All of it as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote; TypeError or ValueError for anything else."""
        told: dict[str, Any] = json.loads(data)
        told["skipped"] = [Skipped(**each) for each in told["skipped"]]
        return cls(**told)

    @classmethod
    def of_end(cls, lines: Iterable[bytes]) -> Self:
        """Progress, counts by category and how it ended; what was left out cannot be told."""
        digest = cls()
        for line in lines:
            digest.take(line)
        digest.skipped, digest.skipped_count, digest.warnings = [], 0, []
        return digest
