"""Write the features of a database (`digits/inference/work/features.py`)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digits.dataset.tasks.program_task import ProgramTask
from digits.inference.feature_file import PART_FILE, PROGRAM
from digits.jobs.resources import INFERENCE, LIGHT, Need
from digits.model.images.classification.light import MOST_PICTURES

REQUEST_FILE = "request.json"


class WriteFeaturesTask(ProgramTask):
    """Runs the program on the request in the job's folder, in a light slot for few pictures."""

    type_name = "write-features"

    def __init__(
        self, job_dir: Path, task_id: str, depends_on: Sequence[str] = (), *, pictures: int = 0
    ) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self.pictures = pictures

    def settings(self) -> dict[str, Any]:
        return {"pictures": self.pictures}

    @property
    def name(self) -> str:
        return "Write Features"

    @property
    def title(self) -> str:
        return "Writing features"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    def need(self) -> Need:
        return Need(LIGHT if self.pictures <= MOST_PICTURES else INFERENCE)

    def arguments(self) -> list[str]:
        return [sys.executable, "-m", PROGRAM, REQUEST_FILE]

    def clean_up(self) -> None:
        with contextlib.suppress(OSError):
            self.path(PART_FILE).unlink(missing_ok=True)
