"""Make a classification model from its settings: its network, checked as a whole, and its job.

In: settings that a form has checked, or a program has made, and the network's text.  Out: a job in
the queue, or a FormError that puts what is wrong at its field.  While the dataset is still being
made, only what does not depend on it can be checked; the rest is when the training starts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, TaskFailed
from digits.inference import Pool
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.augmentation_fit import check_augmentation
from digits.model.images.classification.checking import (
    CHECK_S,
    NETWORK_FIELDS,
    Checked,
    check_whole,
)
from digits.model.images.classification.fitting import (
    SizeCheck,
    has_own_input,
    made_for_by_model,
    made_for_by_text,
    pictures_of,
    seen_by,
)
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.light import keeps_features
from digits.model.images.classification.pretrained.job import PretrainedModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.images.classification.solver_fit import check_loss, check_solver
from digits.model.images.classification.training_files import make_files, network_options
from digits.model.job import FIRST_WEIGHTS, ORIGINAL_FILE
from digits.model.network.errors import NetworkError
from digits.model.network.fine_tune import HEAD, LAST_BLOCKS
from digits.model.network.fit import MadeFor, Pictures
from digits.model.network.hdf5 import BACKEND
from digits.model.network.parsing import message_with_line, parse_given
from digits.model.network.pretrained import pretrained_weights
from digits.model.network.text import (
    STANDARD_NETWORKS,
    clean_text,
    is_pretrained,
    network_to_text,
    standard_network_text,
)
from digits.model.network.trainable import with_loss
from digits.model.network.training import (
    DatasetFacts,
    NetworkOptions,
    Networks,
    make_networks,
)
from digits.model.training.given_weights import Report
from digits.web.answers import in_thread

MANY_LABELS = 1_000_000
LARGE = 10_000  # pixels: no crop is larger
SHORTEST_CHECK_S = 1.0
NOTHING_LOADED = (
    "None of the previous model's weights are used: all layers that have some start from scratch "
    "({}). To keep a trained classifier, choose a dataset with "
    "the same categories, in the same order."
)

NO_FEATURES_OF_HDF5 = (
    "The dataset keeps its pictures in HDF5 files, of which no features can be kept: what does not "
    "learn runs in every epoch, too. Make it with the database LMDB to have that run once."
)


@dataclass(frozen=True)
class Prepared:
    """A model that can be made: checked as a whole, and not in the queue yet.

    `text` is the network that is kept with it and `net` what is trained; `weights` is a file to
    begin from, which the model takes into its folder where `keeps_weights`.  `parameters` of the
    network are None where nobody could count them: while the dataset is being made, or the server
    is busy.
    """

    settings: Settings
    text: str
    net: NetParameter
    weights: Path | None
    keeps_weights: bool
    parameters: int | None


def create_model(
    scheduler: Scheduler,
    pool: Pool,
    name: str,
    settings: Settings,
    custom_network: str,
    caffe_root: str,
    uploaded: Path | None = None,
    check_s: float = CHECK_S,
    owner: str = "",
    python_layers: bool = False,
    group: str = "",
    original: ImageClassificationModelJob | None = None,
) -> Job:
    """The job of the user `owner`, in `group`, that `settings` ask for, in the queue.

    Elsewhere as `prepare_model` has it.
    """
    prepared = prepare_model(
        scheduler, pool, settings, custom_network, caffe_root, uploaded, check_s,
        python_layers=python_layers, original=original,
    )  # fmt: skip

    def write_network(job: Job) -> None:
        job.write_text(ORIGINAL_FILE, prepared.text)
        if prepared.weights is not None and prepared.keeps_weights:
            in_thread(cast(ImageClassificationModelJob, job).keep_weights, prepared.weights)

    return scheduler.add_job(
        ImageClassificationModelJob,
        name,
        prepared.settings,
        write_network,
        owner=owner,
        group=group,
    )


def prepare_model(
    scheduler: Scheduler,
    pool: Pool,
    settings: Settings,
    custom_network: str,
    caffe_root: str,
    uploaded: Path | None = None,
    check_s: float = CHECK_S,
    *,
    python_layers: bool = False,
    original: ImageClassificationModelJob | None = None,
) -> Prepared:
    """What a model is made of, checked as far as its dataset allows.

    `uploaded` are weights for a custom network, in a file that is needed no longer afterwards.  Of
    a copy, the network and the weights are those that lie with its `original`.
    Raises FormError with what is wrong with the network, or that it could not be checked within
    `check_s` seconds; JobNotFound when a job has just gone.
    """
    settings = replace(
        settings,
        use_gpu=bool(scheduler.resources.gpus),
        caffe_root=caffe_root,
        python_layers=python_layers,
        weights_report=None,
        previous_labels=(
            settings.previous_labels if original else _previous_labels(scheduler, settings)
        ),
        warnings=None,
    )
    settings = _with_origin(scheduler, settings, is_copy=original is not None)
    dataset = cast(ImageClassificationDatasetJob, scheduler.job(settings.dataset))
    check_augmentation(settings.augmentation, caffe_root, dataset)
    check_solver(settings, caffe_root)
    text = (
        original.network_text() if original else given_network(scheduler, settings, custom_network)
    )
    weights = kept_weights(original) if original else given_weights(scheduler, settings, uploaded)
    _require_weights(settings, weights)
    _require_searchable(settings, dataset)
    # To make the weights of a standard network, the first time, is no part of the check.
    deadline = time.monotonic() + check_s
    is_kept = weights is not None and (
        weights == uploaded
        or settings.method in ("previous", "pretrained", "standard")
        or is_pretrained(settings.custom_network_snapshot)
        or (original is not None and weights.parent == original.dir)
    )
    field = NETWORK_FIELDS[settings.method]
    try:
        net, kept_text = _trainable(parse_given(pool, text), text, settings, weights)
        networks = fitted_networks(net, dataset, scheduler.store.jobs_dir, settings)
    except NetworkError as error:
        raise FormError({field: [message_with_line(error, text)]}) from error
    except TaskFailed as error:
        raise FormError({"dataset": [str(error)]}) from error
    check_loss(settings, networks.train_val)
    size = _size_check(scheduler, settings, net, dataset, is_copy=original is not None)
    size.require_possible(field)
    found = Checked()
    if dataset.status is Status.DONE:
        left_s = max(min(check_s, SHORTEST_CHECK_S), deadline - time.monotonic())
        found = check_whole(pool, networks, dataset, settings, text, weights, left_s, size)
    warnings = _warnings(size, found.report, _without_features(settings, dataset))
    settings = replace(settings, weights_report=found.report, warnings=warnings or None)
    return Prepared(settings, kept_text, net, weights, is_kept, found.parameters)


def given_network(scheduler: Scheduler, settings: Settings, custom_network: str) -> str:
    """The text of the network that was chosen."""
    if settings.method == "standard":
        dataset = cast(ImageClassificationDatasetJob, scheduler.job(settings.dataset))
        return standard_network_text(settings.standard_networks, pictures_of(dataset).side)
    if settings.method == "previous":
        previous = _previous(scheduler, settings)
        # Its snapshots have the names that its layers had in training.
        of_snapshot = settings.previous_snapshot not in (None, 0, FIRST_WEIGHTS)
        return previous.text_as_trained() if of_snapshot else previous.network_text()
    if settings.method == "pretrained":
        return _pretrained(scheduler, settings).network_text()
    return clean_text(custom_network)


def given_weights(scheduler: Scheduler, settings: Settings, uploaded: Path | None) -> Path | None:
    """The file of the weights that were chosen."""
    if settings.method == "custom" and uploaded is not None:
        return uploaded
    if settings.method == "previous" and settings.previous_snapshot:
        return _previous(scheduler, settings).weights_of(settings.previous_snapshot)
    if settings.method == "pretrained":
        return _pretrained(scheduler, settings).weights()
    jobs_dir = scheduler.store.jobs_dir
    if settings.method == "custom" and settings.custom_network_snapshot:
        named = pretrained_weights(settings.custom_network_snapshot, jobs_dir)
        return named or Path(settings.custom_network_snapshot)
    if settings.method == "standard":
        return pretrained_weights(settings.standard_networks, jobs_dir)
    return None


def kept_weights(original: ImageClassificationModelJob) -> Path | None:
    """The file of the weights that a model began from."""
    weights = original.pretrained_weights()
    return weights and original.dir / weights


def require_trainable(pool: Pool, text: str) -> None:
    """NetworkError for a custom network that no dataset can train; sizes are not looked at."""
    facts = DatasetFacts(
        labels=MANY_LABELS, channels=3, height=LARGE, width=LARGE, train_db="train_db",
        val_db="val_db", mean_file="mean.binaryproto",
    )  # fmt: skip
    make_networks(parse_given(pool, text), facts, NetworkOptions())


def fitted_networks(
    net: NetParameter,
    dataset: ImageClassificationDatasetJob,
    jobs_dir: Path,
    settings: Settings,
) -> Networks:
    """The networks that would be trained; of an unfinished dataset the labels are not known yet."""
    if dataset.status is Status.DONE:
        return make_files(net, dataset, jobs_dir / "new", settings).networks
    facts = DatasetFacts(
        labels=MANY_LABELS,
        channels=dataset.channels,
        height=dataset.height,
        width=dataset.width,
        train_db="train_db",
        val_db="val_db",
        mean_file="mean.binaryproto",
        backend=dataset.backend,
    )
    # What the categories will be is not known yet, but for a dataset that has them already.
    return make_networks(net, facts, network_options(settings, facts, dataset.labels()))


def _require_weights(settings: Settings, weights: Path | None) -> None:
    """FormError where random weights are to be kept through the whole training."""
    if weights is None and settings.what_learns in (HEAD, LAST_BLOCKS):
        message = (
            "Without weights to begin with, there is nothing worth keeping. Choose “Everything” "
            "(all), or begin with weights: EfficientNet-Lite0, a snapshot of an earlier model, or "
            "pretrained weights of a custom network."
        )
        raise FormError({"fine_tune": [message]})


def _require_searchable(settings: Settings, dataset: ImageClassificationDatasetJob) -> None:
    """FormError where the best settings were asked for and cannot be looked for."""
    if not settings.find_settings or keeps_features(settings, dataset):
        return
    reason = "it takes the database LMDB, and DIGITS' own engine"
    if settings.what_learns != HEAD:
        reason = "only the last layer may learn (fine_tune=head); more would take hours"
    message = f"The best settings cannot be looked for here: {reason}."
    raise FormError({"find_settings": [message]})


def _own_input(settings: Settings) -> dict[str, Any]:
    """What replaces settings where the network has a mean and a scale of its own."""
    if not settings.begins_pretrained:
        return {}
    return {"use_mean": False, "mean_value": (), "scale": None}


def _with_origin(scheduler: Scheduler, settings: Settings, *, is_copy: bool) -> Settings:
    """The settings with what is known of the weights that it begins with."""
    if not is_copy:
        pretrained = _pretrained(scheduler, settings) if settings.method == "pretrained" else None
        settings = replace(
            settings,
            has_own_input=True if pretrained and has_own_input(pretrained) else None,
            card=_card(scheduler, settings),
        )
    return replace(settings, **_own_input(settings))


def _card(scheduler: Scheduler, settings: Settings) -> dict[str, Any] | None:
    """That of the pretrained model which the weights come from, also by way of other models."""
    model: Job | None = None
    if settings.method == "pretrained":
        model = _pretrained(scheduler, settings)
    elif settings.method == "previous" and settings.previous_snapshot:
        model = _previous(scheduler, settings)
    elif settings.method == "custom" and settings.custom_network_snapshot:
        folder = Path(settings.custom_network_snapshot).resolve().parent
        named = (job for job in scheduler.jobs if job.id == folder.name)
        model = next((job for job in named if job.dir.resolve() == folder), None)
    card = model.card if isinstance(model, ImageClassificationModelJob) else None
    return card.to_json() if card else None


def _trainable(
    net: NetParameter, text: str, settings: Settings, weights: Path | None
) -> tuple[NetParameter, str]:
    """The network, with a loss where that was asked for, and the text to keep of it."""
    if not settings.add_loss:
        return net, text
    trainable = with_loss(net, afresh=weights is not None)
    return trainable, text if trainable is net else network_to_text(trainable)


def _size_check(
    scheduler: Scheduler,
    settings: Settings,
    net: NetParameter,
    dataset: ImageClassificationDatasetJob,
    is_copy: bool,
) -> SizeCheck:
    # The previous model that a copy's original began from may have gone.
    made_for = made_for_by_text(net) if is_copy else _made_for(scheduler, settings, net)
    seen = None if is_copy else _seen_by_previous(scheduler, settings)
    return SizeCheck(pictures_of(dataset), settings.crop_size, made_for, seen)


def _without_features(settings: Settings, dataset: ImageClassificationDatasetJob) -> str:
    """Why what does not learn runs in every epoch, where one would expect that it runs once."""
    would_keep = settings.what_learns in (HEAD, LAST_BLOCKS) and not settings.caffe_root
    return NO_FEATURES_OF_HDF5 if would_keep and dataset.backend == BACKEND else ""


def _warnings(size: SizeCheck, report: Report | None, features: str) -> tuple[str, ...]:
    """What is unusual about a training that can be made all the same."""
    found = [size.warning(), features]
    if report and not report["loaded"]:
        found.append(NOTHING_LOADED.format(", ".join(_left_aside(report))))
    return tuple(filter(None, found))


def _made_for(scheduler: Scheduler, settings: Settings, net: NetParameter) -> MadeFor | None:
    if settings.method == "standard":
        side = pictures_of(
            cast(ImageClassificationDatasetJob, scheduler.job(settings.dataset))
        ).side
        return STANDARD_NETWORKS[settings.standard_networks].made_for_pictures(side)
    if (model := _begun_from(scheduler, settings)) is not None:
        return made_for_by_model(model)
    return made_for_by_text(net)


def _seen_by_previous(scheduler: Scheduler, settings: Settings) -> Pictures | None:
    """The pictures that the weights of a previous model are for; None where none are taken."""
    model = _begun_from(scheduler, settings)
    takes_weights = settings.method == "pretrained" or settings.previous_snapshot
    return seen_by(model) if model and takes_weights else None


def _previous_labels(scheduler: Scheduler, settings: Settings) -> tuple[str, ...] | None:
    """The categories of the previous model; None without one, or when its dataset is gone."""
    model = _begun_from(scheduler, settings)
    if model is None:
        return None
    try:
        return tuple(model.pictures.labels()) or None
    except TaskFailed:
        return None


def _left_aside(report: Report) -> list[str]:
    """The layers that the file has weights for, or the network, and that did not come together."""
    return [layer for layer, _ in report["skipped"]]


def _begun_from(scheduler: Scheduler, settings: Settings) -> ImageClassificationModelJob | None:
    """The model whose network is taken; None where it is a standard or a custom one."""
    if settings.method == "previous":
        return _previous(scheduler, settings)
    return _pretrained(scheduler, settings) if settings.method == "pretrained" else None


def _pretrained(scheduler: Scheduler, settings: Settings) -> PretrainedModelJob:
    return cast(PretrainedModelJob, scheduler.job(settings.pretrained_networks or ""))


def _previous(scheduler: Scheduler, settings: Settings) -> ImageClassificationModelJob:
    return cast(ImageClassificationModelJob, scheduler.job(settings.previous_networks or ""))
