"""The search for a head's best learning rate and weight decay, before its training.

In: the model job that it belongs to.  Out: `search.json`; the best pair becomes the job's settings,
which the training reads.  What has been measured is kept: a search that was cut off goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from digits.dataset.tasks.program_task import ProgramTask
from digits.errors import TaskFailed
from digits.jobs.resources import LIGHT, TRAIN, Need
from digits.model.images.classification.search.outcome import SearchRow, read_outcome
from digits.model.training.plan import TrainingPlan


class Searchable(Protocol):
    """What the task needs of its job."""

    def require_input(self) -> None:
        """Raise TaskFailed when what the training reads is damaged."""

    def write_training_files(self) -> TrainingPlan:
        """Write solver and networks into the job's folder; TaskFailed when they cannot be made."""

    def first_weights(self) -> list[str]:
        """The weights that the training begins with."""

    def feature_options(self) -> dict[str, Any]:
        """Where the features are kept, and in how many variants."""

    def is_light(self) -> bool:
        """Whether the training takes a minute or so on the CPU."""

    def take_settings(self, best: SearchRow) -> None:
        """Train with these settings."""


class SearchTask(ProgramTask):
    """One search.  `attach` gives it its job, before anything else is asked of it."""

    type_name = "search-head"

    def __init__(self, job_dir: Path, task_id: str, depends_on: Sequence[str] = ()) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self._job: Searchable | None = None
        self._plan: TrainingPlan | None = None

    def attach(self, job: Searchable) -> None:
        """Tell it the job that it belongs to."""
        self._job = job

    @property
    def job(self) -> Searchable:
        if self._job is None:
            raise RuntimeError("a search was used before it was attached to its job")
        return self._job

    @property
    def name(self) -> str:
        return "Search Settings"

    @property
    def title(self) -> str:
        return "Searching settings"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    def need(self) -> Need:
        return Need(LIGHT if self.job.is_light() else TRAIN)

    def prepare(self) -> None:
        self.job.require_input()
        self._plan = self.job.write_training_files()

    def arguments(self) -> list[str]:
        options = self.job.feature_options()
        words = [
            f"--weights={','.join(self.job.first_weights())}",
            f"--feature-cache={options['folder']}",
            f"--feature-variants={options['variants']}",
        ]
        if self._plan is not None and self._plan.main_accuracy:
            words.append(f"--accuracy={self._plan.main_accuracy}")
        if self._plan is not None and self._plan.main_loss:
            words.append(f"--loss={self._plan.main_loss}")
        return self.command("search_head", *words)

    def finish(self) -> None:
        outcome = read_outcome(self.job_dir)
        if outcome is None:
            raise TaskFailed("The search ended without a result. See the end of its log for why.")
        self.job.take_settings(outcome.best)
