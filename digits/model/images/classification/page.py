"""What the page of a classification model asks for while it is drawn."""

from __future__ import annotations

from flask import url_for

from digits.errors import TaskFailed
from digits.jobs import log_reader
from digits.jobs.task import Task
from digits.model.images.classification.blueprint import blueprint
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.pretrained.forms import FromModelForm
from digits.model.images.classification.try_out.ready_lines import classify_lines
from digits.model.job import ModelJob
from digits.web.answers import in_thread

# Of a log that is shown without the script that follows it.
LAST_LINES = 40


@blueprint.app_template_global()
def ready_lines_of(job: ModelJob) -> list[tuple[str, str]]:
    """(title, lines) that use the model from a shell and from Python, by this server."""
    # Both routes have one endpoint, and this is the one of the page.
    page = url_for("classification_models.classify_one", _external=True)
    return classify_lines(f"{page.removesuffix('.json')}.json?job_id={job.id}")


@blueprint.app_template_global()
def pretrained_form() -> FromModelForm:
    """The form that makes a pretrained model of a model."""
    return FromModelForm(formdata=None)


@blueprint.app_template_global()
def picture_channels_of(job: ImageClassificationModelJob) -> int:
    """3 for a network of colour pictures, 1 of grey ones, 0 where nobody knows any more."""
    try:
        return job.pictures.channels
    except TaskFailed:
        return 0


@blueprint.app_template_global()
def log_end(task: Task) -> list[str]:
    """The last lines of a task's log, or why it cannot be read; none where there is no log yet."""
    try:
        part = in_thread(log_reader.last_lines, task.log_path, LAST_LINES, growing=False)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{task.log_name} cannot be read: {error.strerror}."]
    return [line.text for line in part.lines]
