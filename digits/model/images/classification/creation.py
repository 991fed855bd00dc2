"""Make a classification model from its settings: its network, checked as a whole, and its job.

In: settings that a form has checked, or a program has made, and the network's text.  Out: a job in
the queue, or a FormError that puts what is wrong at its field.  While the dataset is still being
made, only what does not depend on it can be checked; the rest is when the training starts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, TaskFailed
from digits.inference import InferenceError, Pool, WorkerDied, WorkerTimeout, check_network
from digits.inference.operations import NetProblem
from digits.inference.work.layer_lines import layer_lines
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.fitting import (
    SizeCheck,
    made_for_by_model,
    made_for_by_text,
    pictures_of,
    seen_by,
)
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.net_sources import net_sources
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.images.classification.training_files import make_files, network_options
from digits.model.job import FIRST_WEIGHTS, ORIGINAL_FILE
from digits.model.network.errors import NetworkError
from digits.model.network.fit import MadeFor, Pictures
from digits.model.network.parsing import message_with_line, parse_given
from digits.model.network.text import (
    STANDARD_NETWORKS,
    clean_text,
    network_to_text,
    standard_network_text,
)
from digits.model.network.trainable import with_loss
from digits.model.network.training import DatasetFacts, Networks, make_networks
from digits.model.training.given_weights import Report, report_in_words, weights_report
from digits.web.answers import in_thread

log = logging.getLogger(__name__)

# The field that a method's network stands in.
NETWORK_FIELDS = {
    "standard": "standard_networks",
    "previous": "previous_networks",
    "custom": "custom_network",
}
MANY_LABELS = 1_000_000
# Reading and building a network, together: whoever sent the form waits for it.
CHECK_S = 8.0
SHORTEST_CHECK_S = 1.0
MOST_PROBLEMS = 10
NOTHING_LOADED = (
    "Nothing of the previous model's weights is used: all layers that have some begin afresh ({}), "
    "so that the training starts from nothing. To keep a trained classifier, choose a dataset with "
    "the same categories, in the same order."
)
TOO_SLOW = (
    "The network could not be built within {:g} s to check it. Make it smaller; when the server is "
    "busy, send the form again."
)


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

    `uploaded` are weights for a custom network, in a file that is needed no longer afterwards.  Of
    a copy, the network and the weights are those that lie with its `original`.
    Raises FormError with what is wrong with the network, or that it could not be checked within
    `check_s` seconds; JobNotFound when a job has just gone.
    """
    deadline = time.monotonic() + check_s
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
    dataset = cast(ImageClassificationDatasetJob, scheduler.job(settings.dataset))
    text = (
        original.network_text() if original else given_network(scheduler, settings, custom_network)
    )
    weights = kept_weights(original) if original else given_weights(scheduler, settings, uploaded)
    is_kept = weights is not None and (
        weights == uploaded
        or settings.method == "previous"
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
    size = _size_check(scheduler, settings, net, dataset, is_copy=original is not None)
    size.require_smallest(field)
    report = None
    if dataset.status is Status.DONE:
        left_s = max(min(check_s, SHORTEST_CHECK_S), deadline - time.monotonic())
        report = check_whole(pool, networks, dataset, settings, text, weights, left_s, size)
    warnings = _warnings(size, report)
    settings = replace(settings, weights_report=report, warnings=warnings or None)

    def write_network(job: Job) -> None:
        job.write_text(ORIGINAL_FILE, kept_text)
        if weights is not None and is_kept:
            in_thread(cast(ImageClassificationModelJob, job).keep_weights, weights)

    return scheduler.add_job(
        ImageClassificationModelJob, name, settings, write_network, owner=owner, group=group
    )


def given_network(scheduler: Scheduler, settings: Settings, custom_network: str) -> str:
    """The text of the network that was chosen."""
    if settings.method == "standard":
        return standard_network_text(settings.standard_networks)
    if settings.method == "previous":
        previous = _previous(scheduler, settings)
        # Its snapshots have the names that its layers had in training.
        of_snapshot = settings.previous_snapshot not in (None, 0, FIRST_WEIGHTS)
        return previous.text_as_trained() if of_snapshot else previous.network_text()
    return clean_text(custom_network)


def given_weights(scheduler: Scheduler, settings: Settings, uploaded: Path | None) -> Path | None:
    """The file of the weights that were chosen."""
    if settings.method == "custom" and uploaded is not None:
        return uploaded
    if settings.method == "previous" and settings.previous_snapshot:
        return _previous(scheduler, settings).weights_of(settings.previous_snapshot)
    if settings.method == "custom" and settings.custom_network_snapshot:
        return Path(settings.custom_network_snapshot)
    return None


def kept_weights(original: ImageClassificationModelJob) -> Path | None:
    """The file of the weights that a model began from."""
    weights = original.pretrained_weights()
    return weights and original.dir / weights


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


def check_whole(
    pool: Pool,
    networks: Networks,
    dataset: ImageClassificationDatasetJob,
    settings: Settings,
    text: str,
    weights: Path | None,
    timeout_s: float = CHECK_S,
    size: SizeCheck | None = None,
) -> Report | None:
    """Build the networks in a worker, and compare the weights; FormError with what is wrong.

    `size` knows what the network is made for.  Answers what becomes of the weights; None without
    any, or when nobody had time to check.
    """
    nets = net_sources(networks, dataset)
    field = NETWORK_FIELDS[settings.method]
    try:
        result = check_network(pool, nets, weights, timeout_s)
    except WorkerTimeout as error:
        raise FormError({field: [TOO_SLOW.format(timeout_s)]}) from error
    except WorkerDied as error:
        message = f"The network could not be built to check it: {error}"
        raise FormError({field: [message]}) from error
    except InferenceError as error:
        # The check is a service: a busy server must not keep a model from being made.
        log.warning("a network goes unchecked: %s", error)
        return None
    report = weights_report(result.nets["train"]) if weights and "train" in result.nets else None
    if result.problems and size is not None:
        size.refuse(pool, result.problems, networks, field, timeout_s)
    _refuse_problems(result.problems, report, settings, text, weights)
    deploy = result.nets["deploy"]
    _check_outputs(deploy.outputs, deploy.shapes, len(dataset.labels()), field)
    return report


def _refuse_problems(
    problems: Sequence[NetProblem],
    report: Report | None,
    settings: Settings,
    text: str,
    weights: Path | None,
) -> None:
    """FormError with the problems that were found, each at its field, if there are any."""
    weights_field = _weights_field(settings)
    lines = layer_lines(text) if problems else {}
    errors: dict[str, list[str]] = {}
    for problem in _once_a_layer(problems)[:MOST_PROBLEMS]:
        is_of_weights = problem.net == "weights"
        about = weights_field if is_of_weights else NETWORK_FIELDS[settings.method]
        line = lines.get(problem.layer or "")
        message = f"Line {line}: {problem.message}" if line else problem.message
        if message not in errors.setdefault(about, []):
            errors[about].append(message)
    # Of a previous network all layers may begin afresh, which is no slip.
    is_previous = settings.method == "previous"
    if report and weights and not errors and not report["loaded"] and not is_previous:
        errors[weights_field] = [f"No layer of the network is in {weights.name}."]
    if not errors:
        return
    # A file that could not be read at all has neither.
    if report and weights_field in errors and (report["loaded"] or report["skipped"]):
        errors[weights_field].append(report_in_words(report))
    raise FormError(errors)


def _once_a_layer(problems: Sequence[NetProblem]) -> list[NetProblem]:
    """Of what is wrong with a layer in each phase, the first."""
    found: dict[object, NetProblem] = {}
    for problem in problems:
        where = problem.layer if problem.net != "weights" else None
        found.setdefault((where or problem.message, problem.net == "weights"), problem)
    return list(found.values())


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


def _warnings(size: SizeCheck, report: Report | None) -> tuple[str, ...]:
    """What is unusual about a training that can be made all the same."""
    found = [size.warning()]
    if report and not report["loaded"]:
        found.append(NOTHING_LOADED.format(", ".join(_left_aside(report))))
    return tuple(filter(None, found))


def _made_for(scheduler: Scheduler, settings: Settings, net: NetParameter) -> MadeFor | None:
    if settings.method == "standard":
        return STANDARD_NETWORKS[settings.standard_networks].made_for
    if settings.method == "previous":
        return made_for_by_model(_previous(scheduler, settings))
    return made_for_by_text(net)


def _seen_by_previous(scheduler: Scheduler, settings: Settings) -> Pictures | None:
    """The pictures that the weights of a previous model are for; None where none are taken."""
    takes_weights = settings.method == "previous" and settings.previous_snapshot
    return seen_by(_previous(scheduler, settings)) if takes_weights else None


def _weights_field(settings: Settings) -> str:
    """Where the weights were chosen."""
    if settings.method == "previous":
        return "previous_networks"
    by_path = settings.custom_network_snapshot
    return "custom_network_snapshot" if by_path else "custom_network_weights"


def _check_outputs(
    outputs: Any, shapes: Mapping[str, tuple[int, ...]], labels: int, field: str
) -> None:
    """The last output must have one value a label."""
    if not outputs:
        return
    shape = shapes.get(outputs[-1], ())
    count = 1
    for size in shape[1:]:
        count *= size
    if count != labels:
        raise FormError(
            {
                field: [
                    f"The output {outputs[-1]!r} has the shape {' x '.join(map(str, shape))}, so "
                    f"{count} values an image, but the dataset has {labels} labels. End the "
                    "network with an InnerProduct layer or a global pooling before its loss."
                ]
            }
        )


def _previous_labels(scheduler: Scheduler, settings: Settings) -> tuple[str, ...] | None:
    """The categories of the previous model; None without one, or when its dataset is gone."""
    if settings.method != "previous":
        return None
    try:
        return tuple(_previous(scheduler, settings).image_dataset.labels()) or None
    except TaskFailed:
        return None


def _left_aside(report: Report) -> list[str]:
    """The layers that the file has weights for, or the network, and that did not come together."""
    return [layer for layer, _ in report["skipped"]]


def _previous(scheduler: Scheduler, settings: Settings) -> ImageClassificationModelJob:
    return cast(ImageClassificationModelJob, scheduler.job(settings.previous_networks or ""))
