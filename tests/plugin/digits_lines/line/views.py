"""The form of a line, and its page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField

from digits.errors import JobNotFound
from digits.jobs.status import Status
from digits.web.answers import answer, created, form_errors, job_summary, scheduler, wants_json
from digits.web.forms import ChoiceField, DigitsForm, WholeNumberField, choice_list, required_name
from digits.web.logins import owner_name
from digits_lines.line.job import LineJob, LineSettings
from digits_lines.points.job import PointsJob

MOST_EPOCHS = 1000

blueprint = Blueprint("line_models", __name__, template_folder="../templates")


class LineForm(DigitsForm):
    """What a line learns from, and for how long."""

    dataset = ChoiceField("Dataset")
    model_name = StringField("Model name", [required_name])
    epochs = WholeNumberField("Epochs", low=1, high=MOST_EPOCHS, default=50)

    def offer_datasets(self) -> None:
        """Let the datasets be chosen that are there, or will be."""
        usable = [
            job
            for job in scheduler().jobs
            if isinstance(job, PointsJob) and (job.status is Status.DONE or job.status.is_active)
        ]
        self.dataset.choices = choice_list((job.id, job.name) for job in reversed(usable))


@blueprint.get("/line/new")
def new() -> ResponseReturnValue:
    """The form, with the settings of the model `clone`, or for the `dataset` of the address."""
    values = _cloned(request.args.get("clone"))
    if "dataset" in request.args:
        values["dataset"] = request.args["dataset"]
    form = LineForm(data=values)
    form.offer_datasets()
    return render_template("digits_lines/line_new.html", form=form)


@blueprint.post("/line.json")
@blueprint.post("/line")
def create() -> ResponseReturnValue:
    """Make the job, or answer what is wrong with the form."""
    form = LineForm.submitted()
    form.offer_datasets()
    if not form.validate():
        if wants_json():
            return form_errors(form.all_errors)
        return render_template("digits_lines/line_new.html", form=form), 400
    settings = LineSettings(**form.values_of(LineSettings))
    job = scheduler().add_job(LineJob, form.model_name.data, settings, owner=owner_name())
    return created(job, url_for("line_models.show", job_id=job.id))


@blueprint.get("/line/<job_id>.json")
@blueprint.get("/line/<job_id>")
def show(job_id: str) -> ResponseReturnValue:
    """A line's page, or the same as JSON."""
    job = _line(job_id)
    job.read_logs()
    data = {**job_summary(job), "settings": job.settings.to_json(), "line": job.line()}
    return answer("digits_lines/line_show.html", data, job=job, line=job.line())


@blueprint.post("/line/<job_id>/forget")
def forget(job_id: str) -> ResponseReturnValue:
    """Remove the line that was found; resuming a failed or aborted job finds another one."""
    job = _line(job_id)
    (job.dir / "line.json").unlink(missing_ok=True)
    return "The line is forgotten."


def _line(job_id: str) -> LineJob:
    job = scheduler().job(job_id)
    if not isinstance(job, LineJob):
        raise JobNotFound(job_id)
    return job


def _cloned(job_id: str | None) -> dict[str, Any]:
    if job_id is None:
        return {}
    job = _line(job_id)
    return {**job.settings.to_json(), "model_name": f"{job.name} copy"}
