"""The settings of a classification model in words: for its page, and to compare models by.

In: a job.  Out: (title, words) pairs, the same titles for every model, so that two models differ
where their words do.  Elsewhere: every field as it was sent (`digits/home/settings_table.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.model.job import ModelJob
from digits.model.network.text import STANDARD_NETWORKS
from digits.model.training.solver import POLICY_TITLES, SOLVER_TITLES

NONE = "none"
OF_THE_NETWORK = "as in the network"
# The numbers that a policy reads, and what they are called beside it.
POLICY_WORDS = {
    "fixed": "",
    "step": "every {lr_step_size:g}%, gamma {lr_step_gamma:g}",
    "multistep": "at {lr_multistep_values}%, gamma {lr_multistep_gamma:g}",
    "exp": "gamma {lr_exp_gamma:g}",
    "inv": "gamma {lr_inv_gamma:g}, power {lr_inv_power:g}",
    "poly": "power {lr_poly_power:g}",
    "sigmoid": "step at {lr_sigmoid_step:g}%, gamma {lr_sigmoid_gamma:g}",
}


def settings_in_words(job: ModelJob, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """What a model was asked to learn, and how; `names` are those of jobs by id."""
    settings = job.settings
    return [
        ("Dataset", names.get(job.dataset_id, f"{job.dataset_id} (gone)")),
        ("Images", _images(job)),
        ("Network", _network(settings, names)),
        ("Starts from", _weights(job, settings)),
        ("Training epochs", _number(settings.get("train_epochs"))),
        ("Snapshots", _interval(settings.get("snapshot_interval"), "at the end only")),
        ("Validation", _interval(settings.get("val_interval"), "never")),
        ("Batch size", _batch_size(job, settings)),
        ("Solver", SOLVER_TITLES.get(settings.get("solver_type", ""), "")),
        ("Learning rate", _number(settings.get("learning_rate"))),
        ("Policy", _policy(settings)),
        ("Crop size", _number(settings.get("crop_size")) or OF_THE_NETWORK),
        ("Mean", _mean(settings)),
        ("Scale", _number(settings.get("scale")) or OF_THE_NETWORK),
        ("Mirror", settings.get("mirror") or OF_THE_NETWORK),
        ("Random seed", _number(settings.get("random_seed")) or "drawn at random"),
        ("Devices", _devices(settings)),
        ("Trained by", _program(settings)),
    ]


def _program(settings: Mapping[str, Any]) -> str:
    root = settings.get("caffe_root")
    if not root:
        return "DIGITS"
    # Known from the first attempt on.
    version = settings.get("caffe_version")
    return f"Caffe {version} ({root})" if version else f"Caffe ({root})"


def _images(job: ModelJob) -> str:
    dataset = job.dataset
    if not isinstance(dataset, ImageClassificationDatasetJob):
        return ""
    kind = "color" if dataset.channels == 3 else "grayscale"
    return f"{dataset.width} × {dataset.height}, {kind}"


def _network(settings: Mapping[str, Any], names: Mapping[str, str]) -> str:
    match settings.get("method"):
        case "standard":
            network = STANDARD_NETWORKS.get(settings.get("standard_networks", ""))
            return network.title if network else str(settings.get("standard_networks"))
        case "previous":
            previous = str(settings.get("previous_networks"))
            return f"that of {names.get(previous, previous)}"
    return "custom"


def _weights(job: ModelJob, settings: Mapping[str, Any]) -> str:
    if settings.get("method") == "previous" and settings.get("previous_snapshot"):
        return f"its weights of epoch {settings['previous_snapshot']:g}"
    weights = job.pretrained_weights()
    if weights is None:
        return "random weights"
    given = settings.get("custom_network_snapshot")
    return Path(given).name if given else "uploaded weights"


def _batch_size(job: ModelJob, settings: Mapping[str, Any]) -> str:
    plan = job.train_task.plan
    return _number(plan.train_batch_size if plan else settings.get("batch_size")) or OF_THE_NETWORK


def _policy(settings: Mapping[str, Any]) -> str:
    policy = settings.get("lr_policy", "")
    values = {**settings}
    steps = settings.get("lr_multistep_values") or ()
    values["lr_multistep_values"] = ", ".join(f"{step:g}" for step in steps)
    details = POLICY_WORDS.get(policy, "").format_map(values)
    return ": ".join(filter(None, [POLICY_TITLES.get(policy, policy), details]))


def _mean(settings: Mapping[str, Any]) -> str:
    if values := settings.get("mean_value"):
        return "values " + ", ".join(f"{value:g}" for value in values)
    return "image subtracted" if settings.get("use_mean") else "not subtracted"


def _devices(settings: Mapping[str, Any]) -> str:
    if not settings.get("use_gpu"):
        return "CPU"
    if chosen := settings.get("select_gpus"):
        return f"GPUs {', '.join(map(str, chosen))}"
    if count := settings.get("select_gpu_count"):
        return f"{count} GPUs"
    chosen = settings.get("select_gpu")
    return "the next free GPU" if chosen in (None, "next") else f"GPU {chosen}"


def _interval(epochs: float | None, none: str) -> str:
    if not epochs:
        return none
    return "every epoch" if epochs == 1 else f"every {epochs:g} epochs"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
