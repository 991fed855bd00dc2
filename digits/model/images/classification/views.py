"""Make a classification model, and look at its curves alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

from flask import jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, JobNotFound, TaskFailed
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.model.images.classification import page as page_parts
from digits.model.images.classification.blueprint import blueprint
from digits.model.images.classification.cloning import (
    form_of_copy,
    offer_pretrained_again,
    offer_previous_again,
    settings_of_copy,
)
from digits.model.images.classification.creation import (
    Prepared,
    create_model,
    prepare_model,
    require_trainable,
)
from digits.model.images.classification.estimate import Estimate
from digits.model.images.classification.estimate import estimate as estimate_of
from digits.model.images.classification.evaluation import comparing_views, picture_views
from digits.model.images.classification.evaluation import views as evaluation_views
from digits.model.images.classification.fitting import (
    first_that_fits,
    has_own_input,
    preselected_network,
    previous_notes,
    standard_notes,
)
from digits.model.images.classification.forms import (
    EstimateForm,
    ImageClassificationModelForm,
)
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.images.classification.try_out import pictures_to_try, uploads
from digits.model.images.classification.try_out import views as inference_views
from digits.model.job import PRETRAINED_FILE
from digits.model.network.errors import NetworkError
from digits.model.network.parsing import message_with_line
from digits.model.network.text import STANDARD_NETWORKS
from digits.model.training.given_weights import kept_upload
from digits.model.views import find_model
from digits.web.answers import (
    created,
    in_thread,
    job_summary,
    scheduler,
    services,
    wants_json,
)
from digits.web.cloning import job_to_clone
from digits.web.kind import NetworkProblems
from digits.web.logins import owner_name
from digits.web.submitting import answer_form

# The others put their routes into the first.
__all__ = [
    "blueprint",
    "comparing_views",
    "evaluation_views",
    "inference_views",
    "page_parts",
    "picture_views",
    "pictures_to_try",
    "uploads",
]

FORM_PAGE = "models/images/classification/new.html"
# Of thousands of jobs the form would weigh megabytes; a link names an older one.
MOST_OFFERED = 200
# What a link to the form may fill in: fields of one plain value.
LINKED_FIELDS = (
    "dataset",
    "model_name",
    "method",
    "previous_networks",
    "pretrained_networks",
    "standard_networks",
    "fine_tune",
    "train_epochs",
    "random_seed",
    "batch_size",
    "batch_accumulation",
    "solver_type",
    "learning_rate",
    "lr_policy",
)


@blueprint.get("/images/classification/new")
def new() -> ResponseReturnValue:
    """The form, empty, or with the settings of the model `clone`, and fields that the link names.

    The template (`models/images/classification/new.html`) gets `form`, `networks`, the standard
    ones, `previous`: the models whose networks can be taken, each with `id`, `name`, `snapshots`,
    [(epoch, text), ...], of which 0 stands for the network alone, and which epoch is `selected`;
    `pretrained`, the store's, each with `id`, `name`, `network`, `licence`;
    `most_offered`, how many of the newest datasets and models there are to choose from; and
    `preselects`, whether the network follows the dataset until one is chosen.
    """
    services().pool.prepare()
    linked = {name: request.args[name] for name in LINKED_FIELDS if name in request.args}
    values = {**_cloned_values(), **linked}
    form = ImageClassificationModelForm(data=values)
    form.fill_in(linked)
    offer_choices(form)
    preselects = "standard_networks" not in values
    if preselects:
        _preselect_network(form)
    chosen = {f"{values.get('previous_networks')}-snapshot": values.get("previous_snapshot")}
    return _form_page(form, chosen, preselects=preselects)


@blueprint.post("/images/classification.json")
@blueprint.post("/images/classification")
def create() -> ResponseReturnValue:
    """Make the job, or answer what is wrong with the form (400), the disk (507) or us (503).

    With `clone`, a model's id, it becomes a copy of that one.
    """
    form = ImageClassificationModelForm.submitted()
    if (original := job_to_clone(ImageClassificationModelJob)) is not None:
        return _created(_copied_job(form, original))
    offer_choices(form)
    return answer_form(
        form, partial(_created_job, form), _created, partial(_form_page, form, request.form)
    )


@blueprint.get("/images/classification/fit")
def fit() -> ResponseReturnValue:
    """Which of the networks that the form offers do not fit a `dataset`, and why, as JSON.

    `{"standard_networks": {name: sentence}, "previous_networks": {id: sentence},
    "pretrained_networks": {id: sentence}, "preselected": name, "reason": sentence}`; a network that
    fits is left out.  The page selects the preselected one until somebody chooses, and says the
    reason where there is one.
    """
    dataset = scheduler().job(request.args.get("dataset", ""))
    if not isinstance(dataset, ImageClassificationDatasetJob):
        raise JobNotFound(dataset.id)
    previous, pretrained = models_of("model", None), models_of("pretrained", None)
    preselected = preselected_network(dataset)
    return jsonify(
        {
            "standard_networks": standard_notes(dataset),
            "previous_networks": in_thread(previous_notes, previous, dataset),
            "pretrained_networks": in_thread(previous_notes, pretrained, dataset),
            "preselected": preselected.network,
            "reason": preselected.reason,
        }
    )


@blueprint.post("/images/classification/estimate.json")
@blueprint.post("/images/classification/estimate")
def estimate() -> ResponseReturnValue:
    """What the model of this form would take: room for its snapshots, and time; always JSON.

    `errors`, by field, is what `create` would refuse of what is filled in; the numbers are null
    where they are not known.  With `timed` off, the time is told if it was measured before.
    """
    form = EstimateForm.submitted()
    offer_choices(form)
    form.validate()
    if wrong := form.wrong:
        return _estimated(Estimate(), errors=wrong)
    if form.all_errors:
        return _estimated(Estimate())
    try:
        prepared = _prepared(form, form.settings())
        found = estimate_of(
            prepared,
            cast(ImageClassificationDatasetJob, scheduler().job(prepared.settings.dataset)),
            scheduler(),
            services().timings,
            services().policies.environment(),
            timed=form.timed.data,
        )
    except FormError as error:
        return _estimated(Estimate(), errors=error.errors)
    except (TaskFailed, NetworkError) as error:
        return _estimated(Estimate(), errors={"dataset": [str(error)]})
    return _estimated(found, warnings=prepared.settings.warnings or ())


def _estimated(
    found: Estimate, errors: Mapping[str, list[str]] | None = None, warnings: Sequence[str] = ()
) -> ResponseReturnValue:
    told = [*warnings, *found.warnings]
    return jsonify(
        {**asdict(found), "words": found.words, "warnings": told, "errors": errors or {}}
    )


def network_problems(text: str) -> NetworkProblems:
    """Why `create` would refuse the custom network `text` with the rest of this request's form."""
    form = EstimateForm.submitted(also_known=("format",))
    form.method.data, form.custom_network.data = "custom", text
    offer_choices(form)
    form.validate()
    errors = form.wrong
    warnings: tuple[str, ...] = ()
    try:
        if not form.dataset.data:
            require_trainable(services().pool, text)
        elif not errors:
            warnings = _prepared(form, form.settings()).settings.warnings or ()
    except FormError as error:
        errors = error.errors
    except NetworkError as error:
        errors = {"custom_network": [message_with_line(error, text)]}
    titles = {name: form[name].label.text for name in errors if name in form}
    refused = [
        message if name == "custom_network" else f"{titles.get(name, name)}: {message}"
        for name, messages in errors.items()
        for message in messages
    ]
    return NetworkProblems(refused, list(warnings))


def _prepared(form: EstimateForm, settings: ImageClassificationModelSettings) -> Prepared:
    return prepare_model(
        scheduler(),
        services().pool,
        settings,
        form.custom_network.data or "",
        services().config.caffe_root,
        python_layers=services().config.python_layers,
    )


@blueprint.get("/images/classification/large_graph")
def large_graph() -> ResponseReturnValue:
    """The graph of a model (`job_id`) alone, in the whole window.

    The template (`models/images/classification/large_graph.html`) gets `job`.
    """
    job = find_model(request.args.get("job_id", ""))
    job.read_logs()
    return render_template("models/images/classification/large_graph.html", job=job)


def offer_choices(form: ImageClassificationModelForm) -> None:
    """Tell the form which datasets, models and GPUs there are."""
    datasets = newest(_is_usable_dataset, form.dataset.data)
    models, pretrained = _previous_models(form), _pretrained_models(form)
    form.offer(
        datasets=[(job.id, job.name) for job in datasets],
        previous={job.id: list(job.snapshots()) for job in models},
        gpus=scheduler().resources.gpus,
        own_input={
            job.id: job.network_name for job in [*models, *pretrained] if has_own_input(job)
        },
        pretrained=[job.id for job in pretrained],
    )


def newest(is_wanted: Callable[[Job], bool], chosen: str | None) -> list[Job]:
    """The newest jobs that are wanted, the latest first, and the chosen one however old it is."""
    return offered(filter(is_wanted, reversed(scheduler().jobs)), chosen, MOST_OFFERED)


def offered(wanted: Iterable[Job], chosen: str | None, most: int) -> list[Job]:
    """The first `most` of them, and the one with the id `chosen` wherever it stands."""
    return [job for place, job in enumerate(wanted) if place < most or job.id == chosen]


def _created_job(form: ImageClassificationModelForm) -> Job:
    """The new job; FormError when it cannot be made."""
    with kept_upload(form.custom_network_weights.data, scheduler().store.jobs_dir) as uploaded:
        return _added(form, form.settings(), uploaded=uploaded)


def _created(job: Job) -> ResponseReturnValue:
    """The way to the new job; as JSON with what is unusual about it, if anything is."""
    warnings = cast(ImageClassificationModelJob, job).settings.warnings
    if warnings and wants_json():
        return jsonify({**job_summary(job), "warnings": list(warnings)})
    return created(job, url_for("models.show", job_id=job.id))


def _copied_job(sent: ImageClassificationModelForm, original: ImageClassificationModelJob) -> Job:
    """A copy of `original`, in the queue; FormError when it cannot be made again."""
    if not original.required_jobs():
        message = (
            f"{original.name} was uploaded, and there is nothing to train it on again. Choose a "
            "dataset, and start from it (method=previous, previous_networks)."
        )
        raise FormError({"clone": [message]})
    form = form_of_copy(sent, original)
    offer_choices(form)
    offer_previous_again(form, original)
    offer_pretrained_again(form, original)
    if not form.validate():
        raise FormError(form.all_errors)
    return _added(form, settings_of_copy(original), original=original)


def _added(
    form: ImageClassificationModelForm,
    settings: ImageClassificationModelSettings,
    uploaded: Path | None = None,
    original: ImageClassificationModelJob | None = None,
) -> Job:
    return create_model(
        scheduler(),
        services().pool,
        form.model_name.data,
        settings,
        form.custom_network.data or "",
        services().config.caffe_root,
        uploaded,
        owner=owner_name(),
        python_layers=services().config.python_layers,
        group=form.group_name.data or "",
        original=original,
    )


def _preselect_network(form: ImageClassificationModelForm) -> None:
    """Choose a network that suits the dataset that the page shows first.

    One with weights needs the page's scripts, which take the mean and scale away.
    """
    known = {choice.value for choice in form.dataset.choices or []}
    first = next(iter(form.dataset.choices or []), None)
    shown = form.dataset.data if form.dataset.data in known else first and first.value
    if shown:
        dataset = cast(ImageClassificationDatasetJob, scheduler().job(shown))
        form.standard_networks.data = first_that_fits(dataset)


def _form_page(
    form: ImageClassificationModelForm, chosen: Mapping[str, Any], *, preselects: bool = False
) -> str:
    """The form; `chosen` has the epoch that is taken of a model, under `<its id>-snapshot`."""
    return render_template(
        FORM_PAGE,
        form=form,
        networks=STANDARD_NETWORKS.values(),
        previous=[
            _choice(model, chosen.get(f"{model.id}-snapshot")) for model in _previous_models(form)
        ],
        pretrained=[_offered(model) for model in _pretrained_models(form)],
        most_offered=MOST_OFFERED,
        preselects=preselects,
    )


def _choice(job: ImageClassificationModelJob, chosen: Any) -> dict[str, Any]:
    """A model as the form offers it; without a choice its last snapshot is the one."""
    epochs = [(epoch, f"Epoch #{epoch:g}") for epoch in job.snapshots()]
    snapshots = [(0, "None (start from scratch)"), *epochs]
    # Settings of older jobs say 2.0, forms 2.
    known = [epoch for epoch, _ in snapshots if str(chosen) in (str(epoch), str(float(epoch)))]
    selected = known[0] if known else snapshots[-1][0]
    return {
        "id": job.id,
        "name": job.name,
        "snapshots": snapshots,
        "selected": selected,
        "has_own_input": has_own_input(job),
    }


def _offered(job: ImageClassificationModelJob) -> dict[str, Any]:
    """A pretrained model as the form offers it."""
    return {
        "id": job.id,
        "name": job.name,
        "network": job.network_name,
        "licence": job.card.licence if job.card else "",
        "has_own_input": has_own_input(job),
    }


def _previous_models(form: ImageClassificationModelForm) -> list[ImageClassificationModelJob]:
    """Models whose network can be taken."""
    return models_of("model", form.previous_networks.data)


def _pretrained_models(form: ImageClassificationModelForm) -> list[ImageClassificationModelJob]:
    """Pretrained models, whose networks and weights can be taken."""
    return models_of("pretrained", form.pretrained_networks.data)


def models_of(category: str, chosen: str | None) -> list[ImageClassificationModelJob]:
    """The newest models of a category, and the chosen one."""
    kind = ImageClassificationModelJob
    jobs = newest(lambda job: isinstance(job, kind) and job.category == category, chosen)
    return [job for job in jobs if isinstance(job, kind)]


def _is_usable_dataset(job: Job) -> bool:
    """Whether it is a dataset that is there, or will be."""
    is_usable = job.status is Status.DONE or job.status.is_active
    return isinstance(job, ImageClassificationDatasetJob) and is_usable


def _cloned_values() -> dict[str, Any]:
    """What the form is filled in with, when the address names a model to clone."""
    job = job_to_clone(ImageClassificationModelJob)
    if job is None:
        return {}
    names = {"model_name": f"{job.name} copy", "group_name": job.group}
    values = {**job.settings.to_json(), **names}
    if job.settings.method == "custom":
        values["custom_network"] = job.network_text()
        weights = job.dir / PRETRAINED_FILE
        if weights.exists():  # they were uploaded
            values["custom_network_snapshot"] = str(weights)
    return values
