"""Classify the pictures of an evaluation: `digits.inference.evaluate`."""

from __future__ import annotations

import sys

from digits.dataset.tasks.program_task import ProgramTask
from digits.jobs.resources import INFERENCE, Need

REQUEST_FILE = "request.json"


class ClassifyTask(ProgramTask):
    """Runs the program on the request in the job's folder; it does not wait for trainings."""

    type_name = "classify-many"

    @property
    def name(self) -> str:
        return "Classify Images"

    @property
    def title(self) -> str:
        return "Classifying"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    def need(self) -> Need:
        return Need(INFERENCE)

    def arguments(self) -> list[str]:
        return [sys.executable, "-m", "digits.inference.evaluate", REQUEST_FILE]
