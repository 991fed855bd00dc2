"""The store of pretrained models: the form, what makes one, and the page of each.

Routes and fields are those of DIGITS 5, and more beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from flask import Blueprint, current_app, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from digits.base.progress import printable
from digits.errors import DigitsError, FormError, JobNotFound
from digits.jobs.job import Job
from digits.model import views as model_views
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.pretrained.creation import (
    Described,
    Wanted,
    add,
    create_pretrained_model,
    working_folder,
)
from digits.model.images.classification.pretrained.forms import FromModelForm, PretrainedModelForm
from digits.model.images.classification.pretrained.from_model import pretrained_from
from digits.model.images.classification.pretrained.job import PretrainedModelJob
from digits.model.images.classification.pretrained.weights import caffe_weights, fetched
from digits.model.images.classification.upload.creation import staged_archive
from digits.model.images.classification.upload.forms import ArchiveForm
from digits.model.images.classification.upload.reading import Given
from digits.model.images.classification.upload.ready_made import NAMES_FILE
from digits.model.training.given_weights import kept_upload
from digits.web.answers import job_summary, scheduler, services, wants_json
from digits.web.error_pages import code_of
from digits.web.headers import MEGABYTE
from digits.web.logins import owner_name
from digits.web.submitted import text_of
from digits.web.submitting import answer_form

blueprint = Blueprint("pretrained_models", __name__)
# Below /models, where DIGITS 5 has it.
model_blueprint = Blueprint("to_pretrained", __name__)

FORM_PAGE = "models/images/classification/pretrained/new.html"
# The list of pretrained models on the home page.
TAB = 3
LONGEST_FILE_NAME = 200


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    """The form; of a pretrained model to `clone`, the form of a training that begins from it.

    The template (`models/images/classification/pretrained/new.html`) gets `form`.
    """
    if job_id := request.args.get("clone"):
        scheduler().job(job_id)
        form = "classification_models.new"
        return redirect(url_for(form, method="pretrained", pretrained_networks=job_id))
    return render_template(FORM_PAGE, form=PretrainedModelForm())


@blueprint.post("/new.json")
@blueprint.post("/new")
def create() -> ResponseReturnValue:
    """Make a pretrained model of weights, or answer what is wrong (400).

    `weights_file`, or `weights_path`, a path or an address; `model_def_file` of weights of Caffe,
    `labels_file`, `job_name`, `framework`, `image_type`, `resize_mode`, `width`, `height`, and the
    card: `card_source`, `card_licence`, `card_data`, `card_limits`.  Answers the way to the list
    (302), or the job as JSON.
    """
    form = PretrainedModelForm.submitted()
    return answer_form(
        form, partial(_created_job, form), _added, partial(render_template, FORM_PAGE, form=form)
    )


@blueprint.post("/upload_archive")
def upload_archive() -> ResponseReturnValue:
    """Make a pretrained model of an `archive`, as scripts of DIGITS 5 send it.

    Answers `{"status": "success"}`, or what is wrong.
    """
    try:
        form = ArchiveForm.submitted()
        if not form.validate():
            raise FormError(form.all_errors)
        with staged_archive(
            scheduler().store,
            services().pool,
            form.archive.data,
            Given(),
            python_layers=services().config.python_layers,
            as_digits_5=True,
        ) as staged:
            add(scheduler(), staged, Wanted(owner=owner_name(), card=staged.card))
    except DigitsError as error:
        message = error.words if isinstance(error, FormError) else str(error)
        return jsonify({"status": message.removeprefix("Archive: ")}), code_of(error)
    return jsonify({"status": "success"})


@model_blueprint.post("/<job_id>/to_pretrained.json")
@model_blueprint.post("/<job_id>/to_pretrained")
def to_pretrained(job_id: str) -> ResponseReturnValue:
    """Make a pretrained model of a snapshot (`snapshot_epoch` or `?epoch=`; default: the last).

    Besides `job_name` [the model's] and the card: `card_source`, `card_licence`, `card_data`,
    `card_limits`; empty ones say what is known.  Answers the way to the list (302), or the job as
    JSON.
    """
    model = scheduler().job(job_id)
    if not isinstance(model, ImageClassificationModelJob):
        raise JobNotFound(job_id)
    form = FromModelForm.submitted(also_known=("epoch",))
    if not form.validate():
        raise FormError(form.all_errors)
    epoch = (form.snapshot_epoch.data or request.args.get("epoch") or "").strip()
    name = form.job_name.data or ""
    wanted = Wanted(name=name, owner=owner_name(), card=form.card(name or model.name))
    python_layers = services().config.python_layers
    return _added(
        pretrained_from(
            scheduler(), services().pool, model, epoch, wanted, python_layers=python_layers
        )
    )


@blueprint.get("/<job_id>.json")
@blueprint.get("/<job_id>")
def show(job_id: str) -> ResponseReturnValue:
    """A pretrained model's page, or the same as JSON; as that of any model, with its `card`."""
    if not isinstance(scheduler().job(job_id), PretrainedModelJob):
        raise JobNotFound(job_id)
    return model_views.show(job_id)


def _added(job: Job) -> ResponseReturnValue:
    """The way to the list, as DIGITS 5 answers; as JSON, the job."""
    if wants_json():
        return jsonify(job_summary(job))
    return redirect(url_for("home.home", tab=TAB), 302)


def _created_job(form: PretrainedModelForm) -> Job:
    """The new job; FormError when it cannot be made."""
    name = form.job_name.data
    wanted = Wanted(name, form.group_name.data or "", owner_name(), form.card(name))
    described = Described(
        network=_text(form, "model_def_file") or "",
        labels=_text(form, "labels_file"),
        channels=form.channels,
        width=form.width.data,
        height=form.height.data,
        resize_mode=form.resize_mode.data or "",
    )
    store = scheduler().store
    with working_folder(store) as folder, _source(form, folder) as (path, shown):
        weights = caffe_weights(
            path, shown, folder, store, form.framework, form.torchvision_network.data,
            "weights_path" if form.weights_path.data else "weights_file",
        )  # fmt: skip
        return create_pretrained_model(
            scheduler(),
            services().pool,
            folder,
            weights,
            shown,
            described,
            wanted,
            Path(current_app.static_folder or "") / NAMES_FILE,
            python_layers=services().config.python_layers,
        )


@contextmanager
def _source(form: PretrainedModelForm, folder: Path) -> Iterator[tuple[Path, str]]:
    """The file of weights that was sent or named, and what messages call it."""
    store, upload = scheduler().store, form.weights_file.data
    if upload is not None:
        with kept_upload(upload, store.jobs_dir) as path:
            assert path is not None  # noqa: S101  # there is an upload
            yield path, _shown_name(upload.filename or "")
    elif form.address:
        most = services().config.max_upload_mb * MEGABYTE
        environment = services().policies.environment()
        path = fetched(form.address, folder, store, environment, most)
        yield path, _shown_name(unquote(urlsplit(form.address).path))
    else:
        path = Path(form.weights_path.data)
        yield path, _shown_name(path.name)


def _text(form: PretrainedModelForm, field: str) -> str | None:
    upload = form[field].data
    return None if upload is None else text_of(upload)


def _shown_name(name: str) -> str:
    """What a file is called, fit for messages and a command line."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return printable(last)[-LONGEST_FILE_NAME:].strip().lstrip("-") or "weights"
