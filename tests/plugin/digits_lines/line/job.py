"""A straight line through the points of a dataset, and the task that finds it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits.dataset.tasks.program_task import ProgramTask
from digits.jobs.job import Job
from digits.jobs.resources import TRAIN, Need
from digits.jobs.settings import JobSettings
from digits.jobs.task import Task
from digits_lines.points.job import POINTS_FILE, PointsJob

LINE_FILE = "line.json"


class FitLineTask(ProgramTask):
    """Runs the program that learns the line."""

    type_name = "fit-line"

    def __init__(
        self, job_dir: Path, task_id: str, depends_on: Any = (), *, points: str, epochs: int
    ) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self.points = points  # relative: the jobs directory may be moved
        self.epochs = epochs

    @property
    def name(self) -> str:
        return "Fit line"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    def need(self) -> Need:
        return Need(TRAIN)

    def arguments(self) -> list[str]:
        program = [sys.executable, "-m", "digits_lines.line.program"]
        return [*program, self.points, LINE_FILE, f"--epochs={self.epochs}"]

    def settings(self) -> dict[str, Any]:
        return {"points": self.points, "epochs": self.epochs}


@dataclass(frozen=True, kw_only=True)
class LineSettings(JobSettings):
    """What was asked for: a dataset, by its id, and how often its points are seen."""

    dataset: str
    epochs: int = 50


class LineJob(Job):
    """A straight line."""

    type_name = "line-model"
    title = "Straight Line"
    category = "model"
    settings_type = LineSettings
    settings: LineSettings
    task_types = (FitLineTask,)

    def __init__(self, job_dir: Path, name: str, settings: LineSettings) -> None:
        super().__init__(job_dir, name, settings)
        self.dataset: PointsJob | None = None

    def required_jobs(self) -> list[str]:
        return [self.settings.dataset]

    def link(self, jobs: Mapping[str, Job]) -> None:
        dataset = jobs.get(self.settings.dataset)
        self.dataset = dataset if isinstance(dataset, PointsJob) else None

    def create_tasks(self) -> list[Task]:
        points = f"../{self.settings.dataset}/{POINTS_FILE}"
        return [FitLineTask(self.dir, "fit", points=points, epochs=self.settings.epochs)]

    def line(self) -> dict[str, float] | None:
        """Its `slope` and `intercept`; None before it is found."""
        try:
            found: dict[str, float] = json.loads((self.dir / LINE_FILE).read_text())
        except FileNotFoundError:
            return None
        return found
