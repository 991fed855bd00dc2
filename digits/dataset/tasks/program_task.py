"""A task that runs one of `digits.tools`: reads the lines that those programs share."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from digits.base.progress import Distribution, Progress, Skipped
from digits.dataset.tasks.program_digest import ProgramDigest
from digits.dataset.titles import set_title
from digits.jobs.signals import Update
from digits.jobs.task import Task
from digits.sources.paths import path_options


class ProgramTask(Task):
    """Keeps progress, distributions, skipped pictures and warnings of such a program."""

    digest_kind = ProgramDigest

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.reset()

    def reset(self) -> None:
        super().reset()
        self.take_digest(ProgramDigest())

    @property
    def digest(self) -> ProgramDigest:
        return self._told

    def take_digest(self, digest: Any) -> None:
        self._told: ProgramDigest = digest
        self._take_progress()

    def process_line(self, line: str) -> None:
        match self._told.take(line.encode("utf-8", "replace")):
            case Progress():
                self.mark_changed(Update.COUNT)
            case Distribution():
                self.mark_changed(Update.DISTRIBUTION)
        self._take_progress()

    def _take_progress(self) -> None:
        self.progress, self.eta_s = self._told.progress, self._told.eta_s

    @property
    def done_count(self) -> int:
        return self._told.done_count

    @property
    def distributions(self) -> Mapping[str, Mapping[str, int]]:
        """Name of a set or database -> category -> pictures."""
        return self._told.distributions

    @property
    def skipped(self) -> list[Skipped]:
        """The first pictures that were left out."""
        return self._told.skipped

    @property
    def skipped_count(self) -> int:
        return self._told.skipped_count

    @property
    def warnings(self) -> list[str]:
        """The last ones."""
        return self._told.warnings

    @property
    def summary(self) -> str | None:
        """What it says when it has succeeded."""
        return self._told.summary

    def explain_failure(self, exit_status: int | None) -> str:
        return self._told.failure or super().explain_failure(exit_status)

    def update_data(self, update: str) -> Any:
        if update == Update.DISTRIBUTION:
            return self.distribution_chart()
        if update == Update.COUNT:
            return self.pace()
        return super().update_data(update)

    def pace(self) -> dict[str, Any]:
        """How far and how fast it is: `done` of `total` `unit`; what is not known is None."""
        return {
            "done": self._told.done_count,
            "total": self._told.total_count,
            "unit": self._told.unit,
            "per_second": self._told.per_second,
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
        names = {name: set_title(name.removesuffix("_db")) for name in totals}
        return {"data": {"columns": columns, "type": "bar", "names": names}, "categories": order}

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
