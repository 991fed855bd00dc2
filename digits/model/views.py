"""Pages of any model: its own page, its files, and what the form asks while it is filled in."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from flask import Blueprint, Response, jsonify, make_response, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from digits.caffe.data.augmentation import AUGMENTATION_FILE
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.dataset.job import DatasetJob
from digits.errors import FormError, JobInUse, JobNotFound
from digits.inference import InferenceError, NetSource, draw_network
from digits.inference.nets import LOAD_TIMEOUT_S
from digits.inference.operations import DrawCurves
from digits.jobs.signals import Update
from digits.jobs.status import Status
from digits.model.compare.tables import result_pairs
from digits.model.download import archives
from digits.model.figures import figure, figure_curves, figure_kind
from digits.model.forms import LearningRateForm
from digits.model.job import LAST_SNAPSHOT, ModelJob
from digits.model.network.errors import NetworkError
from digits.model.network.parsing import message_with_line, parse_given
from digits.model.network.text import (
    STANDARD_NETWORKS,
    clean_text,
    is_pretrained,
    standard_network_text,
)
from digits.model.tiles import tiles_of
from digits.model.training.charts import preview_chart
from digits.model.training.snapshot_choices import BEST, snapshot_choices
from digits.web.answers import answer, job_summary, letting_others_run, scheduler, services
from digits.web.headers import allow_camera
from digits.web.submitted import require_fields, single_value
from digits.web.words import shown

blueprint = Blueprint("models", __name__)


@blueprint.get("/<job_id>.json")
@blueprint.get("/<job_id>")
def show(job_id: str) -> ResponseReturnValue:
    """A model's page, or the same as JSON.

    The template of its kind gets
    - `job`, a ModelJob whose log has been read; `job.dataset` is None when the dataset is gone;
      `job.train_task` has `update_data("combined_graph" | "lr_graph" | "snapshots" | "pace")` and
      `plan` (None before the training's files are written);
    - `snapshots`, [[epoch, "Epoch #1"], ...], oldest first;
    - `snapshot_table`, a SnapshotFacts for each of them, and `prunable`, how many of them can go;
    - `snapshot_choices`, what a list offers of them, a SnapshotChoice each, the newest first;
    - `tiles`, the figures that matter first, and `tab`, the part of the page that is asked for;
    - `files`, [(title, name in the job's folder), ...] of those that exist;
    - `extensions`, the kinds of archives to download;
    - `parts`, the jobs that belong to it, such as evaluations, the newest first;
    - `settings_words`, its settings, and `results`, what came of it, both as (title, words).
    """
    job = find_model(job_id)
    job.read_logs()
    table = job.train_task.snapshot_table()
    data = {
        **job_summary(job),
        "type": job.title,
        "error": job.error,
        "warnings": list(job.settings.warnings or ()),
        "settings": job.settings.to_json(),
        "progress": job.progress,
        **job.facts(),
    }
    services().pool.prepare()
    kind = services().kinds.of(job)
    page = answer(
        kind.template,
        data,
        job=job,
        snapshots=job.train_task.update_data(Update.SNAPSHOTS),
        snapshot_table=table,
        snapshot_choices=snapshot_choices(table),
        tiles=tiles_of(job),
        tab=request.args.get("tab", ""),
        prunable=len(job.prunable_epochs()),
        files=[(title, name) for title, name in FILES if (job.dir / name).is_file()],
        extensions=list(archives.KINDS),
        results=result_pairs(job),
        settings_words=job.settings_in_words({each.id: each.name for each in scheduler().jobs}),
        parts=scheduler().parts(job_id)[::-1],
    )
    response = make_response(page)
    if kind.uses_camera:
        allow_camera(response)
    return response


FILES = (
    ("Solver", "solver.prototxt"),
    ("Network (train/val)", "train_val.prototxt"),
    ("Network (deploy)", "deploy.prototxt"),
    ("Network (original)", "original.prototxt"),
    ("Augmentation", AUGMENTATION_FILE),
    ("Raw Caffe output", "caffe_output.log"),
)


@blueprint.get("/<job_id>/history.csv")
def history_as_csv(job_id: str) -> ResponseReturnValue:
    """Every point of the training as CSV."""
    job = find_model(job_id)
    job.read_logs(whole=True)
    headers = {"Content-Disposition": f"attachment; filename={job.id}_history.csv"}
    pieces = letting_others_run(job.train_task.history_csv())
    return Response(pieces, mimetype="text/csv", headers=headers)


@blueprint.get("/<job_id>/history.json")
def history_as_json(job_id: str) -> ResponseReturnValue:
    """Every point of the training as JSON."""
    job = find_model(job_id)
    job.read_logs(whole=True)
    return jsonify(job.train_task.history_json())


@blueprint.route("/<job_id>/download", methods=["GET", "POST"])
@blueprint.route("/<job_id>/download.<extension>", methods=["GET", "POST"])
def download(job_id: str, extension: str = "tar.gz") -> ResponseReturnValue:
    """An archive of a snapshot (`epoch`, or form `snapshot_epoch`; default: the last one)."""
    job = find_model(job_id)
    kind = archives.kind_of(extension)
    require_fields("snapshot_epoch", "epoch")
    named = [single_value("snapshot_epoch"), single_value("epoch"), request.args.get("epoch")]
    epoch, weights = job.snapshot(next(filter(None, named), None))
    name = f"{job.id}_epoch_{epoch:g}.{extension}"
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    members = job.archive_members(epoch, weights)
    archives.require_readable(members)
    return Response(kind.make(members), mimetype=kind.media_type, headers=headers)


@blueprint.get("/<job_id>/graph.<extension>")
def graph(job_id: str, extension: str) -> ResponseReturnValue:
    """The curves of the training as a figure for papers: png, svg or pdf."""
    job = find_model(job_id)
    job.read_logs(whole=True)
    chart = job.train_task.update_data(Update.COMBINED_GRAPH)
    request = DrawCurves(job.name, figure_curves(chart), figure_kind(extension))
    return figure(request, f"{job.id}_graph")


@blueprint.delete("/<job_id>/snapshots/<epoch>")
def delete_snapshot(job_id: str, epoch: str) -> ResponseReturnValue:
    """Remove the snapshot of an epoch; 403 while the training needs it, or another model does."""
    job = find_model(job_id)
    job.read_logs(whole=True)
    if epoch.strip() in (LAST_SNAPSHOT, BEST):
        message = "Name the epoch whose snapshot is to be deleted, not just the last or best one."
        raise FormError({"snapshot_epoch": [message]})
    return _delete_snapshots(job, [job.snapshot(epoch)[0]])


@blueprint.post("/<job_id>/snapshots/prune")
def prune_snapshots(job_id: str) -> ResponseReturnValue:
    """Remove all snapshots but the best, the last, and those that are needed."""
    job = find_model(job_id)
    job.read_logs(whole=True)
    in_use = _epochs_in_use(job)
    return _delete_snapshots(job, [e for e in job.prunable_epochs() if e not in in_use])


def _delete_snapshots(job: ModelJob, epochs: list[float | int]) -> ResponseReturnValue:
    for epoch, name in _epochs_in_use(job).items():
        if epoch in epochs:
            raise JobInUse(
                f"The snapshot of epoch {epoch:g} cannot be deleted: the model {name} has yet to "
                "start from it. Wait until it has, or abort it."
            )
    job.train_task.delete_snapshots(epochs)
    return jsonify({"deleted": epochs, "snapshots": list(job.snapshots())})


def _epochs_in_use(job: ModelJob) -> dict[float | int, str]:
    """The epochs whose weights a model that has not ended was told to start from, and its name."""
    users = {
        other.settings.custom_network_snapshot: other.name
        for other in scheduler().jobs
        if isinstance(other, ModelJob) and other.status.is_active
    }
    # The form keeps paths without links.
    paths = {epoch: str(path.resolve()) for epoch, path in job.snapshots().items()}
    return {epoch: users[path] for epoch, path in paths.items() if path in users}


@blueprint.post("/customize")
def customize() -> ResponseReturnValue:
    """The text of a network (`network`: a standard one's name, or a model's id) to change.

    With the path of the weights of `snapshot_epoch`, when one is named that is not 0, of a
    pretrained model always; with the name of a standard network that has weights, which a form
    takes in place of a path.
    """
    require_fields("network", "snapshot_epoch")
    name = (request.args.get("network") or single_value("network")).strip()
    if name in STANDARD_NETWORKS:
        weights = name if is_pretrained(name) else None
        return jsonify({"network": standard_network_text(name), "snapshot": weights})
    network, path = find_model(name).customized(single_value("snapshot_epoch").strip())
    return jsonify({"network": network, "snapshot": str(path) if path else None})


# Somebody waits: a network of 150 layers takes two seconds.
DRAW_S = 9.0
PICTURE_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


@blueprint.post("/visualize-network")
def visualize_network() -> ResponseReturnValue:
    """A drawing of the network `custom_network`: an `<img>` with a base64 PNG.

    `format` png or svg; with a `dataset` that is Done, it is drawn as it would be trained on it,
    with the shapes of its blobs.  After it stands why no model would be made of it, if there is a
    reason; the other fields of a model's form are looked at for that.
    """
    require_fields("format", *_fields_of_models())
    kind = single_value("format").strip() or "png"
    if kind not in PICTURE_TYPES:
        raise FormError({"format": [f"The format is png or svg. Received: {shown(kind)}."]})
    text = clean_text(single_value("custom_network"))
    try:
        net = parse_given(services().pool, text)
        source = source_to_draw(net, text, single_value("dataset"))
        picture = draw_network(
            services().pool, source, kind, all_states=True, timeout_s=DRAW_S, wait_s=LOAD_TIMEOUT_S
        )
    except NetworkError as error:
        raise FormError({"custom_network": [message_with_line(error, text)]}) from error
    except InferenceError as error:
        raise FormError({"custom_network": [str(error)]}) from error
    data = base64.b64encode(picture.png).decode()
    image = Markup('<img src="data:{};base64,{}" alt="The network as a graph">').format(
        PICTURE_TYPES[kind], data
    )
    note = Markup('<p class="muted">{}</p>').format(picture.note) if picture.note else ""
    return str(image + note + _problems(text))


def _problems(text: str) -> Markup:
    """What is wrong with the network that was drawn, for the kind of model that would be made."""
    dataset = _named_dataset(single_value("dataset"))
    kind = services().kinds.to_train_on(dataset)
    if kind is None or kind.network_problems is None:
        return Markup("")
    found = kind.network_problems(text)
    if found.refused:
        return _notice("danger", "No model can be made of it:", found.refused)
    return _notice("warning", "A model can be made of it, but:", found.unusual)


def _notice(css: str, title: str, messages: Sequence[str]) -> Markup:
    if not messages:
        return Markup("")
    rows = Markup("").join(Markup("<li>{}</li>").format(message) for message in messages)
    return Markup(
        '<div class="notice notice-{}" data-network-problems><p><b>{}</b></p><ul>{}</ul></div>'
    ).format(css, title, rows)


@blueprint.post("/visualize-lr")
def visualize_lr() -> ResponseReturnValue:
    """The learning rate at 0 to 100 percent of a training, for a chart."""
    # Scripts send the whole form of a model, of which this reads a part.
    form = LearningRateForm.submitted(also_known=_fields_of_models())
    if not form.validate():
        return jsonify({"errors": form.all_errors}), 400
    return jsonify({"data": preview_chart(form.curve())})


def _fields_of_models() -> set[str]:
    """The names of all fields that the forms of models have."""
    forms = [kind.form for kind in services().kinds.to_make("model") if kind.form]
    return {field.name for form in forms for field in form(formdata=None, meta={"csrf": False})}


def source_to_draw(net: NetParameter, text: str, dataset_id: str) -> NetSource:
    """What to draw: the network as a dataset trains it when that is Done, else as it was given."""
    dataset = _named_dataset(dataset_id)
    if dataset is not None and dataset.status is Status.DONE:
        for kind in services().kinds:
            if issubclass(kind.job_type, ModelJob) and kind.can_learn_from(dataset):
                return kind.job_type.source_to_draw(net, text, dataset)
    return NetSource(text)


def _named_dataset(dataset_id: str) -> DatasetJob | None:
    """The dataset with this id; None when there is none."""
    job = next((job for job in scheduler().jobs if job.id == dataset_id), None)
    return job if isinstance(job, DatasetJob) else None


def find_model(job_id: str) -> ModelJob:
    """The model with this id; JobNotFound when it is a dataset or nothing."""
    job = scheduler().job(job_id)
    if not isinstance(job, ModelJob):
        raise JobNotFound(job_id)
    return job
