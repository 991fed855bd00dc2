"""What a job has come to, in so few numbers that a server holds those of ten thousand jobs.

In: a job's logs and folder, read once when it has ended (`measuring.py`).  Out: `Results`, kept in
job.json, by which lists show, sort and search jobs without opening a file.
Elsewhere: what a kind of job adds (`digits/dataset/results.py`, `digits/model/results.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from digits.errors import JobUnreadable
from digits.jobs.record import require_arguments, require_shown
from digits.jobs.settings import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What lists show of any job; what is not known is None."""

    size_bytes: int | None = None  # of its folder, on the disk

    def to_json(self) -> dict[str, Any]:
        """What is known, as plain JSON."""
        values = {each.name: plain(getattr(self, each.name)) for each in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, "", [])}

    @classmethod
    def from_json(cls, data: Any) -> Self | None:
        """As `to_json` gave them; None for anything else: then they are measured anew."""
        if not isinstance(data, Mapping):
            return None
        try:
            require_arguments(data, cls.__init__, "the results")
            for name, value in data.items():
                if isinstance(value, str):
                    require_shown(value, f"the results: {name}")
        except JobUnreadable:
            return None
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**values)
