"""Export a network: `digits.inference.export`."""

from __future__ import annotations

import contextlib
import shutil
import sys

from digits.dataset.tasks.program_task import ProgramTask
from digits.errors import TaskFailed
from digits.inference.exporting.request import FIGURES_FILE, REQUEST_FILE
from digits.jobs.resources import INFERENCE, Need


class ExportTask(ProgramTask):
    """Runs the program on the request in the job's folder; it does not wait for trainings."""

    type_name = "export"
    less_memory = "fewer tasks at a time, or no int8"

    @property
    def name(self) -> str:
        return "Export Model"

    @property
    def title(self) -> str:
        return "Exporting"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    def need(self) -> Need:
        return Need(INFERENCE)

    def arguments(self) -> list[str]:
        return [sys.executable, "-m", "digits.inference.export", REQUEST_FILE]

    def finish(self) -> None:
        if not self.path(FIGURES_FILE).is_file():
            raise TaskFailed(
                f"Exporting ended without writing {FIGURES_FILE}. Resume it to try again."
            )

    def clean_up(self) -> None:
        # A program that is killed has no time to do so.
        for folder in self.job_dir.glob(".making-*"):
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
