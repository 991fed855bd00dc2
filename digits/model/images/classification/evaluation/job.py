"""An evaluation: a snapshot of a model classifies a list, a folder or a database.

The folder holds `request.json`, what the program was asked for, an uploaded list as `list.txt`,
answers that are kept as `answers.jsonl`, and the files of `digits.inference.evaluation`.
Elsewhere: what was asked for, in the form's words (`settings.py`).
"""

from __future__ import annotations

from typing import Any

from digits.errors import JobUnreadable
from digits.jobs.job import Job
from digits.jobs.task import Task
from digits.model.images.classification.evaluation.reading import Evaluation
from digits.model.images.classification.evaluation.settings import EvaluationSettings
from digits.model.images.classification.evaluation.tasks import ClassifyTask
from digits.model.images.classification.try_out.results import unit

LIST_FILE = "list.txt"
# What a browser was answered, where that is what is kept.
ANSWERS_FILE = "answers.jsonl"


class ImageClassificationEvaluationJob(Job):
    """What a model makes of many pictures; it belongs to the model and goes with it."""

    type_name = "image-classification-evaluation"
    title = "Image Classification Evaluation"
    category = "evaluation"
    settings_type = EvaluationSettings
    settings: EvaluationSettings
    task_types = (ClassifyTask,)

    def check(self) -> None:
        if len(self.tasks) != 1:
            raise JobUnreadable(f"an evaluation has one task; this one has {len(self.tasks)}")
        super().check()

    @property
    def belongs_to(self) -> str | None:
        return self.settings.model

    def create_tasks(self) -> list[Task]:
        return [ClassifyTask(self.dir, "classify")]

    def results(self) -> Evaluation:
        """What has been classified so far."""
        return Evaluation(self.dir)

    def facts(self, threshold: float = 0.0) -> dict[str, Any]:
        """What it was asked for and what came of it, as plain JSON.

        Answers of a confidence below `threshold` percent do not count.
        """
        results = self.results()
        accuracy = results.accuracy(threshold)
        answered = {"threshold": threshold, "answered": accuracy.answered} if threshold else {}
        return {
            "model": self.settings.model,
            "epoch": self.settings.epoch,
            "source": self.settings.source_title,
            "count": len(results),
            "unreadable": results.unreadable_count,
            **unit(results.is_probability),
            **answered,
            **accuracy.to_json(),
        }
