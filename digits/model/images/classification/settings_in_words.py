"""The settings of a classification model in words: for its page, and to compare models by.

In: a job.  Out: (title, words) pairs, the same titles for every model, so that two models differ
where their words do.  Elsewhere: every field as it was sent (`digits/home/settings_table.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.model.card import Card
from digits.model.images.classification.augmentation_words import (
    augmentation_in_words,
    whitening_in_words,
)
from digits.model.images.classification.settings import PIXEL_MEAN
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.job import FIRST_WEIGHTS
from digits.model.network.text import STANDARD_NETWORKS, is_pretrained
from digits.model.training.solver import POLICY_TITLES, SOLVER_FIELDS, SOLVER_TITLES

if TYPE_CHECKING:
    from digits.model.images.classification.job import ImageClassificationModelJob

NONE = "none"
OF_THE_NETWORK = "as in the network"
# The numbers that a policy reads, and what they are called beside it.
POLICY_WORDS = {
    "fixed": "",
    "step": "every {0.lr_step_size:g}%, gamma {0.lr_step_gamma:g}",
    "multistep": "at {steps}%, gamma {0.lr_multistep_gamma:g}",
    "exp": "gamma {0.lr_exp_gamma:g}",
    "inv": "gamma {0.lr_inv_gamma:g}, power {0.lr_inv_power:g}",
    "poly": "power {0.lr_poly_power:g}",
    "cosine": "",
    "sigmoid": "step at {0.lr_sigmoid_step:g}%, gamma {0.lr_sigmoid_gamma:g}",
}


def settings_in_words(
    job: ImageClassificationModelJob, names: Mapping[str, str]
) -> list[tuple[str, str]]:
    """What a model was asked to learn, and how; `names` are those of jobs by id."""
    settings = job.settings
    return [
        ("Dataset", names.get(job.dataset_id, f"{job.dataset_id} (gone)")),
        ("Pictures", _images(job)),
        ("Network", _network(settings, names)),
        ("Starts from", _weights(job, settings)),
        ("What learns", _what_learns(settings)),
        *_intervals_in_words(settings),
        ("Batch size", _batch_size(job, settings)),
        *_rate_in_words(settings),
        ("Crop size", _number(settings.crop_size) or OF_THE_NETWORK),
        ("Mean", mean_in_words(settings)),
        ("Scale", _number(settings.scale) or OF_THE_NETWORK),
        ("Mirror", settings.mirror or OF_THE_NETWORK),
        ("Augmentation", augmentation_in_words(settings.augmentation)),
        ("Whitening", whitening_in_words(settings)),
        ("Random seed", _number(settings.random_seed) or "drawn at random"),
        ("Devices", _devices(job)),
        ("Trained by", _program(settings)),
    ]


def solver_in_words(settings: Settings) -> list[tuple[str, str]]:
    """What a solver tells of a training, under the same titles."""
    return [*_intervals_in_words(settings), *_rate_in_words(settings)]


def _intervals_in_words(settings: Settings) -> list[tuple[str, str]]:
    return [
        ("Training epochs", _number(settings.train_epochs)),
        ("Snapshots", _snapshots(settings)),
        ("Validation", _interval(settings.val_interval, "never")),
        ("Early stopping", _early_stopping(settings)),
    ]


def _snapshots(settings: Settings) -> str:
    taken = _interval(settings.snapshot_interval, "at the end only")
    kept = settings.snapshots_kept
    return f"{taken}, the best and the last {kept} kept" if kept else taken


def _early_stopping(settings: Settings) -> str:
    patience, threshold = settings.early_stopping_patience, settings.early_stopping_threshold
    if not patience:
        return "off"
    by = f" by more than {threshold:g}" if threshold else ""
    return f"after {patience:g} epochs without a better validation{by}"


def _rate_in_words(settings: Settings) -> list[tuple[str, str]]:
    return [
        ("Solver", SOLVER_TITLES.get(settings.solver_type, "")),
        ("Learning rate", _number(settings.learning_rate)),
        ("Policy", _policy(settings)),
        ("Warm-up", f"{settings.lr_warmup:g} epochs" if settings.lr_warmup else NONE),
        ("Momentum", _momentum(settings)),
        ("Weight decay", _number(settings.number("weight_decay"))),
        ("Gradient clipping", _number(settings.clip_gradients) or NONE),
        ("Label smoothing", _number(settings.label_smoothing or None) or NONE),
        ("Class weights", settings.class_weights),
    ]


def _momentum(settings: Settings) -> str:
    numbers = [
        _number(settings.number(name)) for name in SOLVER_FIELDS.get(settings.solver_type, ())
    ]
    return " and ".join(numbers) or NONE


def _program(settings: Settings) -> str:
    root = settings.caffe_root
    if not root:
        return "DIGITS"
    # Known from the first attempt on.
    version = settings.caffe_version
    return f"Caffe {version} ({root})" if version else f"Caffe ({root})"


def _images(job: ImageClassificationModelJob) -> str:
    dataset = job.dataset
    if not isinstance(dataset, ImageClassificationDatasetJob):
        return ""
    return images_in_words(dataset.width, dataset.height, dataset.channels)


def images_in_words(width: int, height: int, channels: int) -> str:
    """The pictures that a network learned from."""
    return f"{width} × {height}, {'color' if channels == 3 else 'grayscale'}"


def _network(settings: Settings, names: Mapping[str, str]) -> str:
    match settings.method:
        case "standard":
            network = STANDARD_NETWORKS.get(settings.standard_networks)
            return network.title if network else str(settings.standard_networks)
        case "previous":
            previous = str(settings.previous_networks)
            return f"that of {names.get(previous, previous)}"
        case "pretrained":
            pretrained = str(settings.pretrained_networks)
            card = Card.from_json(settings.card) or Card()
            return f"that of {names.get(pretrained, card.name or pretrained)}"
    return "custom"


def _weights(job: ImageClassificationModelJob, settings: Settings) -> str:
    if settings.method == "previous" and settings.previous_snapshot:
        if settings.previous_snapshot == FIRST_WEIGHTS:
            return "the weights that it began from"
        afresh = ", its classifier from scratch" if settings.restart_outputs else ""
        return f"its weights of epoch {settings.previous_snapshot:g}{afresh}"
    weights = job.pretrained_weights()
    if weights is None:
        return "random weights"
    if settings.method == "pretrained":
        afresh = ", its classifier from scratch" if settings.restart_outputs else ""
        return f"its weights{afresh}"
    if settings.method == "standard":
        return "weights that learned from ImageNet"
    given = settings.custom_network_snapshot
    if given and is_pretrained(given):
        return f"weights of {STANDARD_NETWORKS[given].title}, which learned from ImageNet"
    return Path(given).name if given else "uploaded weights"


def _what_learns(settings: Settings) -> str:
    """The last layer's rate is told where it differs from that of the others."""
    faster = f", its last layer {settings.head_lr_mult:g} times as fast"
    match settings.what_learns:
        case "head":
            return f"only the last layer, {settings.head_lr_mult:g} times as fast"
        case "last_blocks":
            return f"the last third of the network{faster}"
        case "all":
            return f"everything{faster}"
    return "as each layer says"


def _batch_size(job: ImageClassificationModelJob, settings: Settings) -> str:
    plan = job.train_task.plan
    size = _number(plan.train_batch_size if plan else settings.batch_size) or OF_THE_NETWORK
    several = settings.batch_accumulation or 1
    return f"{size}, {several} batches a step" if several > 1 else size


def _policy(settings: Settings) -> str:
    steps = ", ".join(f"{step:g}" for step in settings.lr_multistep_values)
    policy = settings.lr_policy
    details = POLICY_WORDS.get(policy, "").format(settings, steps=steps)
    return ": ".join(filter(None, [POLICY_TITLES.get(policy, policy), details]))


def mean_in_words(settings: Settings) -> str:
    """Which mean is subtracted."""
    if values := settings.mean_value:
        return "values " + ", ".join(f"{value:g}" for value in values)
    if settings.begins_pretrained:
        return "that of the network"
    if settings.use_mean == PIXEL_MEAN:
        return "pixel subtracted"
    return "image subtracted" if settings.use_mean else "not subtracted"


def _devices(job: ImageClassificationModelJob) -> str:
    settings = job.settings
    if not settings.use_gpu or not job.train_task.has_gpu:
        return "CPU"
    if chosen := settings.select_gpus:
        return f"GPUs {', '.join(chosen)}"
    if count := settings.select_gpu_count:
        return f"{count} GPUs"
    gpu = settings.select_gpu
    return "the next free GPU" if gpu == "next" else f"GPU {gpu}"


def _interval(epochs: float | None, none: str) -> str:
    if not epochs:
        return none
    return "every epoch" if epochs == 1 else f"every {epochs:g} epochs"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
