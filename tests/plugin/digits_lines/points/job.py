"""A dataset of points near a straight line, and the task that draws them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits.dataset.job import DatasetJob
from digits.dataset.tasks.program_task import ProgramTask
from digits.jobs.resources import CREATE_DB, Need
from digits.jobs.settings import JobSettings
from digits.jobs.task import Task

POINTS_FILE = "points.csv"


class DrawPointsTask(ProgramTask):
    """Runs the program that writes the points; its log says how far it is."""

    type_name = "draw-points"

    def __init__(
        self,
        job_dir: Path,
        task_id: str,
        depends_on: Any = (),
        *,
        count: int,
        slope: float,
        intercept: float,
        noise: float,
    ) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self.count = count
        self.slope = slope
        self.intercept = intercept
        self.noise = noise

    @property
    def name(self) -> str:
        return "Draw points"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    def need(self) -> Need:
        return Need(CREATE_DB)

    def arguments(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "digits_lines.points.program",
            POINTS_FILE,
            *(f"--{name}={value}" for name, value in self.settings().items()),
        ]

    def settings(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "slope": self.slope,
            "intercept": self.intercept,
            "noise": self.noise,
        }


@dataclass(frozen=True, kw_only=True)
class PointsSettings(JobSettings):
    """What was asked for: how many points, and what they lie near to."""

    count: int = 1000
    slope: float = 2.0
    intercept: float = 1.0
    noise: float = 0.0


class PointsJob(DatasetJob):
    """Points near a straight line."""

    type_name = "points-dataset"
    title = "Points"
    settings_type = PointsSettings
    settings: PointsSettings
    task_types = (DrawPointsTask,)

    @property
    def points_path(self) -> Path:
        """A point a line, `x,y`; there when the job is Done."""
        return self.dir / POINTS_FILE

    def create_tasks(self) -> list[Task]:
        asked = self.settings
        return [
            DrawPointsTask(
                self.dir,
                "draw",
                count=asked.count,
                slope=asked.slope,
                intercept=asked.intercept,
                noise=asked.noise,
            )
        ]

    def facts(self) -> dict[str, Any]:
        return {"points": self.settings.count, "file": POINTS_FILE}

    def in_words(self) -> list[tuple[str, str]]:
        return [("Points", f"{self.settings.count:,}")]
