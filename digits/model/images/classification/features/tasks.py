"""Write the features of a database (`digits/inference/work/features.py`)."""

from __future__ import annotations

import contextlib
import sys

from digits.dataset.tasks.program_task import ProgramTask
from digits.inference.feature_file import PART_FILE, PROGRAM
from digits.jobs.resources import INFERENCE, LIGHT, Need
from digits.model.images.classification.light import MOST_PICTURES

REQUEST_FILE = "request.json"


class WriteFeaturesTask(ProgramTask):
    """Runs the program on the request in the job's folder, in a light slot for few pictures."""

    type_name = "write-features"

    def __init__(self, *arguments: object, pictures: int = 0, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.pictures = pictures

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
