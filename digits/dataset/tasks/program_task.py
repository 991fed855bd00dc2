"""A task that runs one of `digits.tools`: reads the lines that those programs share."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from digits.base.progress import (
    Distribution,
    Done,
    Failed,
    Progress,
    Skipped,
    Warned,
    parse_line,
)
from digits.jobs.signals import Update
from digits.jobs.task import Task
from digits.sources.paths import path_options

# Pages show the first ones; all of them stand in the log.
MOST_SKIPPED_SHOWN = 100


class ProgramTask(Task):
    """Keeps progress, distributions, skipped pictures and warnings of such a program."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.reset()

    def reset(self) -> None:
        super().reset()
        self.done_count = 0
        self.total_count: int | None = None
        self.unit = ""
        self.per_second: float | None = None
        # Name of a set or database -> category -> pictures.
        self.distributions: dict[str, Mapping[str, int]] = {}
        self.skipped: list[Skipped] = []
        self.skipped_count = 0
        self.warnings: list[str] = []
        self.summary: str | None = None
        self._failure: str | None = None

    def process_line(self, line: str) -> None:
        match parse_line(line):
            case Progress() as progress:
                self._take_progress(progress)
            case Distribution(name, counts):
                self.distributions[name] = counts
                self.mark_changed(Update.DISTRIBUTION)
            case Skipped() as skipped:
                self.skipped_count += 1
                if len(self.skipped) < MOST_SKIPPED_SHOWN:
                    self.skipped.append(skipped)
            case Warned(text):
                self.warnings = [*self.warnings, text][-MOST_SKIPPED_SHOWN:]
            case Done(text):
                self.summary = text
                self.progress, self.eta_s = 1.0, 0.0
            case Failed(text):
                self._failure = text

    def explain_failure(self, exit_status: int | None) -> str:
        return self._failure or super().explain_failure(exit_status)

    def update_data(self, update: str) -> Any:
        if update == Update.DISTRIBUTION:
            return self.distribution_chart()
        if update == Update.COUNT:
            return self.pace()
        return super().update_data(update)

    def pace(self) -> dict[str, Any]:
        """How far and how fast it is: `done` of `total` `unit`; what is not known is None."""
        return {
            "done": self.done_count,
            "total": self.total_count,
            "unit": self.unit,
            "per_second": self.per_second,
        }

    def distribution_chart(self) -> dict[str, Any]:
        """Pictures per category, largest first, in the form of C3."""
        totals: dict[str, dict[str, int]] = {
            name: dict(counts) for name, counts in self.distributions.items()
        }
        labels = {label for counts in totals.values() for label in counts}
        order = sorted(
            labels, key=lambda label: (-sum(c.get(label, 0) for c in totals.values()), label)
        )
        columns = [
            [name, *(counts.get(label, 0) for label in order)] for name, counts in totals.items()
        ]
        return {"data": {"columns": columns, "type": "bar"}, "categories": order}

    def command(self, program: str, *arguments: object) -> list[str]:
        """The command line of `python -m digits.tools.PROGRAM`."""
        return [sys.executable, "-m", f"digits.tools.{program}", *(str(word) for word in arguments)]

    def asked(self) -> list[tuple[str, Any]]:
        """What it was told to do, as names and values for the page; None and "" are not shown."""
        return []

    def root_options(self, data_roots: Sequence[str]) -> list[str]:
        """The options that keep a program within what may be read; no data roots: anywhere.

        The jobs directory is always told, wherever it has been moved to.
        """
        return path_options(data_roots, self.job_dir.parent)

    def _take_progress(self, progress: Progress) -> None:
        self.done_count, self.total_count = progress.done, progress.total
        self.unit, self.per_second = progress.unit, progress.per_second
        # The bar is full when the result is on disk, which `Done` says.
        self.progress = min(progress.fraction, 0.99)
        self.eta_s = progress.seconds_left
        self.mark_changed(Update.COUNT)
