"""The form that lets a training that is Done go on: more epochs, another learning rate.

Elsewhere: what becomes of the training's files (`training/longer.py`).
"""

from __future__ import annotations

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from digits.errors import FormError, JobRefused
from digits.jobs.status import Status
from digits.model.forms import LARGEST_RATE, MOST_EPOCHS
from digits.model.job import ModelJob
from digits.model.training.longer import end_of
from digits.model.views import find_model
from digits.web.answers import created, scheduler, wants_json
from digits.web.forms import DigitsForm, NumberField, WholeNumberField

blueprint = Blueprint("longer", __name__)
USUAL_EPOCHS = 10


class TrainLongerForm(DigitsForm):
    """How much longer, and how."""

    train_epochs = WholeNumberField(
        "More epochs", low=1, high=MOST_EPOCHS, default=USUAL_EPOCHS,
        description="How many times more each training picture is seen. 10 by default.",
    )  # fmt: skip
    learning_rate = NumberField(
        "Learning rate", above=0, high=LARGEST_RATE, optional=True,
        description="It stays there until the end. Empty: the rate that the training ended with. A "
        "tenth of it often brings a little more; ten times as much starts something new.",
    )  # fmt: skip


@blueprint.get("/<job_id>/train_longer")
def form(job_id: str) -> ResponseReturnValue:
    """The form (`models/train_longer.html`); it gets `job`, `form`, and `outcome` so far."""
    job = _ended(job_id)
    rate = end_of(job.dir).learning_rate
    return _page(job, TrainLongerForm(data={"learning_rate": rate}))


@blueprint.post("/<job_id>/train_longer.json")
@blueprint.post("/<job_id>/train_longer")
def train_longer(job_id: str) -> ResponseReturnValue:
    """Let a model's training go on from its last state, for `train_epochs` more."""
    job = _ended(job_id)
    form = TrainLongerForm.submitted()
    if not form.validate():
        if wants_json():
            raise FormError(form.all_errors)
        return _page(job, form), 400
    epochs, rate = int(form.train_epochs.data or USUAL_EPOCHS), form.learning_rate.data
    task = job.train_task
    scheduler().continue_job(job.id, task.id, lambda: task.train_longer(epochs, rate))
    return created(job, url_for("models.show", job_id=job.id))


def _ended(job_id: str) -> ModelJob:
    """A model whose training is Done, its log read; JobRefused for others."""
    job = find_model(job_id)
    if job.status is not Status.DONE:
        raise JobRefused(f"Only a training that is Done can go on for longer: it is {job.status}.")
    job.read_logs(whole=True)
    return job


def _page(job: ModelJob, form: TrainLongerForm) -> str:
    return render_template(
        "models/train_longer.html",
        job=job,
        form=form,
        outcome=job.train_task.outcome(),
    )
