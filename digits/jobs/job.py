"""A job: a folder with `job.json`, the tasks that fill it, and one status for the whole.

Elsewhere: reading and writing the folder (`store.py`), running the tasks (`scheduler.py`).
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypedDict

from digits.base.aside import Aside
from digits.base.atomic import SyncCall, write_text
from digits.errors import FormError, JobUnreadable
from digits.jobs.contents import count_contents
from digits.jobs.recent_logs import RecentLogs
from digits.jobs.record import Minimum, quoted, require, require_id, require_shown
from digits.jobs.results import Results
from digits.jobs.settings import JobSettings
from digits.jobs.status import ALLOWED_STEPS, HasStatus, Status, StatusHistory
from digits.jobs.task import Task

LONGEST_NOTES = 20_000  # characters
# Of a folder that takes longer to count no size is told.
COUNTING_S = 60.0


def new_job_id(now_s: float | None = None) -> str:
    """An id such as `20150421-140640-d697a3`: local time and six random hexadecimal digits."""
    moment = time.localtime(time.time() if now_s is None else now_s)
    return f"{time.strftime('%Y%m%d-%H%M%S', moment)}-{secrets.token_hex(3)}"


class _AlwaysWritten(TypedDict):
    name: str
    history: list[Any]
    settings: dict[str, Any]
    tasks: list[dict[str, Any]]


class JobRecord(_AlwaysWritten, total=False):
    """What every job.json holds; earlier versions wrote neither notes nor an owner.

    A group is written where there is one, results from the job's end on."""

    notes: str
    owner: str
    group: str
    results: Any


class Job(HasStatus):
    """What a user asked for; subclasses are the kinds of datasets and models.

    `type_name` is the kind in job.json, `title` the same on pages, `category` is "dataset",
    "model", "pretrained", "evaluation" or "export" and decides the page's address.  `settings_type`
    is the class of its settings, `results_type` that of its results, `task_types` lists those of
    its tasks.
    """

    type_name: ClassVar[str]
    title: ClassVar[str]
    category: ClassVar[str]
    settings_type: ClassVar[type[JobSettings]]
    results_type: ClassVar[type[Results]] = Results
    task_types: ClassVar[Sequence[type[Task]]] = ()

    def __init__(self, job_dir: Path, name: str, settings: JobSettings) -> None:
        self.dir = job_dir
        self.id = job_dir.name
        self.name = name
        self.notes = ""
        # The user who made it; empty without logins, and then it is the admins'.
        self.owner = ""
        # What it has in common with other jobs; empty where it belongs to none.
        self.group = ""
        self.settings = settings
        # As they were measured when it ended last; None: not yet (`measuring.py`).
        self.measured: Results | None = None
        self.history = StatusHistory()
        # In the queue: the lower, the sooner.  A number, since clocks are set; older jobs have 0.
        self.place = 0
        self.tasks: list[Task] = []
        # The store gives all of its jobs the same: what reads the tasks' logs, and flushes files.
        self.recent_logs = RecentLogs()
        self.sync: SyncCall = os.fsync

    @property
    def progress(self) -> float:
        """0.0 to 1.0 over all tasks, each counting the same."""
        if not self.tasks or self.status is Status.DONE:
            return 1.0 if self.status is Status.DONE else 0.0
        done = [1.0 if task.status is Status.DONE else task.progress for task in self.tasks]
        return sum(done) / len(done)

    @property
    def can_resume(self) -> bool:
        """Whether something is left to do that nobody does."""
        unfinished = any(task.status is not Status.DONE for task in self.tasks)
        return unfinished and not self.status.is_active

    @property
    def resume_may_help(self) -> bool:
        """Whether resuming it may end better than the last attempt did.

        A task that failed at its own input fails again; one that goes on from where it was may not.
        """
        return self.can_resume and self.status is not Status.ERROR

    @property
    def can_pause(self) -> bool:
        """Whether a task runs that can save its state and go on from there later."""
        return any(
            task.resumable and task.status is Status.RUNNING and not task.pausing
            for task in self.tasks
        )

    @property
    def is_paused(self) -> bool:
        """Whether one of its tasks was stopped to go on later, with its state saved."""
        return self.status is Status.ABORTED and any(task.is_paused for task in self.tasks)

    @property
    def belongs_to(self) -> str | None:
        """The id of the job that this one is a part of: it stands on its page and goes with it."""
        return None

    @property
    def error(self) -> str | None:
        """Why the job failed: what its first failed task says."""
        return next((task.error for task in self.tasks if task.error), None)

    def write_text(self, name: str, text: str) -> None:
        """Write a file of its folder, whole or not at all; OSError."""
        write_text(self.dir / name, text, self.sync)

    def create_tasks(self) -> list[Task]:
        """The tasks of a new job, from its settings."""
        raise NotImplementedError

    def required_jobs(self) -> list[str]:
        """Ids of other jobs that must be Done before this one's tasks start."""
        return []

    def link(self, jobs: Mapping[str, Job]) -> None:
        """Take the jobs it requires out of `jobs`; called once when it is added or loaded."""

    def measure(self, aside: Aside) -> Results:
        """What it has come to: reads logs, and looks at every file of its folder.

        `aside` runs what takes long.
        """
        return self.results_type(size_bytes=self.measure_size(aside))

    def measure_size(self, aside: Aside) -> int | None:
        """Bytes that its folder takes on the disk; None when it has too many files to count."""
        contents = aside(partial(count_contents, self.dir, limit_s=COUNTING_S))
        return contents.size_bytes if contents.is_complete else None

    def current_results(self) -> Results:
        """What is known of it without opening a file; of a job that runs, also what came since."""
        return self.measured if self.measured is not None else self.results_type()

    def searched_text(self) -> str:
        """In what lists look for words; kinds of jobs add theirs."""
        status = self.status
        words = f"{status} {self.status_word}" if status is Status.ABORTED else status
        return f"{self.name} {self.id} {words} {self.owner} {self.group}"

    def table_facts(self) -> dict[str, Any]:
        """What a table of jobs shows of this kind, as plain JSON; its logs have been read."""
        return {}

    def task(self, task_id: str) -> Task:
        """The task with this id; KeyError when there is none."""
        return {task.id: task for task in self.tasks}[task_id]

    def ready_tasks(self) -> list[Task]:
        """Waiting tasks whose predecessors are Done."""
        done = {task.id for task in self.tasks if task.status is Status.DONE}
        return [
            task
            for task in self.tasks
            if task.status is Status.WAITING and done.issuperset(task.depends_on)
        ]

    def derived_status(self) -> Status:
        """The status that follows from the tasks'; a job between two of its tasks waits."""
        statuses = {task.status for task in self.tasks}
        for status in (Status.RUNNING, Status.ERROR, Status.ABORTED, Status.WAITING):
            if status in statuses:
                return status
        return Status.DONE if statuses == {Status.DONE} else Status.INITIALIZED

    def read_logs(self, *, whole: bool = False) -> None:
        """Bring every task's derived state up to date; `whole`: however long its log is."""
        for task in self.tasks:
            self.recent_logs.read(task, whole=whole)

    @property
    def log_is_being_read(self) -> bool:
        """Whether the log of a task is so long that its end alone is known yet."""
        return any(task.log_is_being_read for task in self.tasks)

    def to_json(self) -> dict[str, Any]:
        return {
            "type": self.type_name,
            "id": self.id,
            "name": self.name,
            "notes": self.notes,
            "owner": self.owner,
            **({"group": self.group} if self.group else {}),
            **({"place": self.place} if self.place else {}),
            **({"results": self.measured.to_json()} if self.measured is not None else {}),
            "history": self.history.to_json(),
            "settings": self.settings.to_json(),
            "tasks": [task.to_json() for task in self.tasks],
        }

    @classmethod
    def from_json(cls, job_dir: Path, data: Mapping[str, Any]) -> Job:
        """A job as `to_json` wrote it; JobUnreadable when it is not."""
        require(data, JobRecord, "the job")
        require_id(job_dir.name, "the folder's name")
        owner, group = data.get("owner", ""), data.get("group", "")
        require_shown(data["name"], "the name")
        require_shown(owner, "the owner")
        require_shown(group, "the group")
        try:
            settings = cls.settings_type.from_json(data["settings"])
        except FormError as error:
            raise JobUnreadable(f"the settings: {error}") from error
        job = cls(job_dir, data["name"], settings)
        # Jobs of earlier versions have no notes.
        job.notes, job.owner = data.get("notes", ""), owner
        job.group = group
        job.measured = cls.results_type.from_json(data.get("results"))
        job.place = data.get("place", 0)
        require(job.place, Annotated[int, Minimum(0)], "the place in the queue")
        job.history = StatusHistory.from_json(data["history"])
        for record in data["tasks"]:
            job.tasks.append(cls._read_task(job_dir, record))
        job.check()
        return job

    @classmethod
    def _read_task(cls, job_dir: Path, record: dict[str, Any]) -> Task:
        for task_type in cls.task_types:
            if task_type.type_name == record.get("type"):
                return task_type.from_json(job_dir, record)
        raise JobUnreadable(f"{cls.title} knows no task {quoted(record.get('type'))}")

    def check(self) -> None:
        """Raise JobUnreadable when its parts, each of which can be read, do not fit together."""
        left = {task.id: set(task.depends_on) for task in self.tasks}
        if len(left) < len(self.tasks):
            raise JobUnreadable("two of its tasks have the same id")
        while free := [task_id for task_id, needed in left.items() if needed.isdisjoint(left)]:
            for task_id in free:
                del left[task_id]
        unknown = {needed for task in self.tasks for needed in task.depends_on} - {
            task.id for task in self.tasks
        }
        if left or unknown:
            raise JobUnreadable("a task waits for one that there is not, or for itself")
        derived = self.derived_status()
        reachable = {self.status, Status.INITIALIZED, *ALLOWED_STEPS[self.status]}
        if self.tasks and derived not in reachable:
            raise JobUnreadable(f"it says that it is {self.status}, but its tasks are {derived}")
