"""The form that makes a dataset of points; `datasets.show` shows it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField

from digits.errors import JobNotFound
from digits.web.answers import created, form_errors, scheduler, wants_json
from digits.web.forms import DigitsForm, NumberField, WholeNumberField, required_name
from digits.web.logins import owner_name
from digits_lines.points.job import PointsJob, PointsSettings

MOST_POINTS = 1_000_000
STEEPEST = 1000.0
USUAL = PointsSettings()

blueprint = Blueprint("points_datasets", __name__, template_folder="../templates")


class PointsForm(DigitsForm):
    """How many points there are, and what they lie near to."""

    dataset_name = StringField("Dataset name", [required_name])
    count = WholeNumberField("Points", low=2, high=MOST_POINTS, default=USUAL.count)
    slope = NumberField("Slope", low=-STEEPEST, high=STEEPEST, default=USUAL.slope)
    intercept = NumberField("Intercept", low=-STEEPEST, high=STEEPEST, default=USUAL.intercept)
    noise = NumberField("Noise", low=0, high=STEEPEST, default=USUAL.noise)


@blueprint.get("/points/new")
def new() -> ResponseReturnValue:
    """The form, empty or with the settings of the dataset `clone`."""
    form = PointsForm(data=_cloned(request.args.get("clone")))
    return render_template("digits_lines/points_new.html", form=form)


@blueprint.post("/points.json")
@blueprint.post("/points")
def create() -> ResponseReturnValue:
    """Make the job, or answer what is wrong with the form."""
    form = PointsForm.submitted()
    if not form.validate():
        if wants_json():
            return form_errors(form.all_errors)
        return render_template("digits_lines/points_new.html", form=form), 400
    settings = PointsSettings(**form.values_of(PointsSettings))
    job = scheduler().add_job(PointsJob, form.dataset_name.data, settings, owner=owner_name())
    return created(job, url_for("datasets.show", job_id=job.id))


def _cloned(job_id: str | None) -> dict[str, Any]:
    if job_id is None:
        return {}
    job = scheduler().job(job_id)
    if not isinstance(job, PointsJob):
        raise JobNotFound(job_id)
    return {**job.settings.to_json(), "dataset_name": f"{job.name} copy"}
