"""A tiny real job for tests of the job layer: its tasks run shell scripts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits.errors import TaskFailed
from digits.jobs.job import Job
from digits.jobs.log_follower import ATTEMPT_MARK
from digits.jobs.resources import CREATE_DB, Need
from digits.jobs.settings import JobSettings, optional
from digits.jobs.task import Task


class ProgramTask(Task):
    """Runs `script` with sh.  A line `progress 0.5` sets the progress, others are kept."""

    type_name = "program"
    resumable = True

    def __init__(
        self,
        job_dir: Any,
        task_id: str,
        depends_on: Any = (),
        script: str = "",
        kind: str = CREATE_DB,
        count: int = 1,
        choices: list[str] | None = None,
        must_exist: str | None = None,
    ) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self.script = script
        self.kind = kind
        self.count = count
        self.choices = choices
        self.must_exist = must_exist
        self.lines: list[str] = []

    @property
    def name(self) -> str:
        return f"Program {self.id}"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    def need(self) -> Need:
        return Need(self.kind, self.count, tuple(self.choices) if self.choices else None)

    def arguments(self) -> list[str]:
        return ["sh", "-c", self.script]

    def reset(self) -> None:
        super().reset()
        self.lines = []

    def process_line(self, line: str) -> None:
        if not line or line.startswith(ATTEMPT_MARK):
            return
        self.lines.append(line)
        self.mark_changed("lines")
        word, _, rest = line.partition(" ")
        if word == "progress":
            self.progress = float(rest)

    def update_data(self, update: str) -> Any:
        return list(self.lines)

    def finish(self) -> None:
        if self.must_exist and not self.path(self.must_exist).exists():
            raise TaskFailed(f"{self.must_exist} was not written.")

    def settings(self) -> dict[str, Any]:
        return {
            "script": self.script,
            "kind": self.kind,
            "count": self.count,
            "choices": self.choices,
            "must_exist": self.must_exist,
        }


@dataclass(frozen=True, kw_only=True)
class ProgramSettings(JobSettings):
    """The constructor arguments of each task, and the ids of jobs that are needed."""

    tasks: tuple[dict[str, Any], ...] = ()
    requires: tuple[str, ...] = ()
    whole: str | None = optional()  # the job that this one is a part of


class ProgramJob(Job):
    """A job of scripts; its settings may be given as JSON."""

    settings_type = ProgramSettings
    settings: ProgramSettings
    type_name = "program"
    title = "Program"
    category = "dataset"
    task_types = (ProgramTask,)

    def __init__(self, job_dir: Path, name: str, settings: Any) -> None:
        given = isinstance(settings, ProgramSettings)
        super().__init__(job_dir, name, settings if given else ProgramSettings.from_json(settings))

    def create_tasks(self) -> list[Task]:
        return [ProgramTask(self.dir, **task) for task in self.settings.tasks]

    def required_jobs(self) -> list[str]:
        return list(self.settings.requires)


def program(script: str, **more: Any) -> dict[str, Any]:
    """The settings of a job with one task, as JSON."""
    return {"tasks": [{"task_id": "main", "script": script, **more}]}
