"""What a model's settings make of a network and a dataset: networks, solver, and their plan.

In: a network, a dataset that is Done, the settings.  Out: what a training needs, not
written yet.  Elsewhere: writing it (`job.py`), the networks (`model/network/training.py`), the
solver (`model/training/solver.py`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from digits.caffe.errors import DataError
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, TaskFailed
from digits.model.images.classification.settings import (
    PIXEL_MEAN,
    ImageClassificationModelSettings,
)
from digits.model.network import graph
from digits.model.network.hdf5 import BACKEND
from digits.model.network.mean_file import read_mean
from digits.model.network.training import DatasetFacts, NetworkOptions, Networks, make_networks
from digits.model.training.plan import TrainingPlan
from digits.model.training.solver import BALANCED, TrainingSize, balanced_weights, make_solver

# The form's choices; None leaves it to the network.
MIRROR = {"": None, "on": True, "off": False}


@dataclass(frozen=True)
class TrainingFiles:
    """What a training needs, before it is written."""

    networks: Networks
    solver: caffe_pb2.SolverParameter
    plan: TrainingPlan


def make_files(
    given: NetParameter,
    dataset: ImageClassificationDatasetJob,
    job_dir: Path,
    settings: ImageClassificationModelSettings,
) -> TrainingFiles:
    """What `settings` make of a network and a dataset that is Done.

    Raises NetworkError, FormError, and TaskFailed when the dataset lacks something.
    """
    facts = dataset_facts(dataset, job_dir)
    options = network_options(settings, facts, dataset.labels(), dataset.mean_path)
    networks = make_networks(given, facts, options)
    size = TrainingSize(
        train_images=dataset.picture_count("train"),
        train_batch_size=networks.train_batch_size,
        val_images=dataset.picture_count("val") if facts.val_db else None,
        val_batch_size=networks.val_batch_size,
        batch_accumulation=settings.batch_accumulation or 1,
    )
    weights = class_weights(settings, dataset)
    solver = make_solver(settings, size, use_gpu=settings.use_gpu, class_weights=weights)
    main_accuracy, main_loss = graph.main_measures(networks.train_val)
    plan = TrainingPlan(
        max_iter=solver.max_iter,
        epoch_iterations=size.epoch_iterations,
        train_images=size.train_images,
        train_batch_size=size.train_batch_size,
        val_images=size.val_images or 0,
        val_batch_size=size.val_batch_size or 0,
        accuracies=networks.accuracies,
        main_accuracy=main_accuracy,
        main_loss=main_loss,
        output=networks.output,
        batch_accumulation=size.batch_accumulation,
    )
    return TrainingFiles(networks, solver, plan)


def class_weights(
    settings: ImageClassificationModelSettings, dataset: ImageClassificationDatasetJob
) -> list[float]:
    """What each category counts in the loss; empty where all count alike.

    Raises FormError where the dataset does not know how many pictures its categories have.
    """
    if settings.class_weights != BALANCED:
        return []
    counts = dataset.category_counts("train")
    if counts is None:
        message = (
            f"How many pictures each category of {dataset.name} has is not known, so there is "
            "nothing to balance by. Choose None, or make the dataset again."
        )
        raise FormError({"class_weights": [message]})
    return balanced_weights(counts)


def dataset_facts(dataset: ImageClassificationDatasetJob, job_dir: Path) -> DatasetFacts:
    """What a network must know of a dataset that is Done; TaskFailed when something is missing."""
    labels = dataset.labels()
    splits = {s: dataset.database_path(s) for s in ("train", "val") if dataset.picture_count(s)}
    if len(labels) < 2 or "train" not in splits or not dataset.mean_path.is_file():
        raise TaskFailed(
            f"The dataset {dataset.name} cannot be trained on: it needs at least two "
            f"categories, pictures to train with, and a mean. It has {len(labels)} categories."
        )
    sources = {split: _from(job_dir, path) for split, path in splits.items()}
    if dataset.backend == BACKEND:
        # Caffe reads a list of files; the dataset's own has absolute paths, as they once were.
        sources = {split: hdf5_list_name(split) for split in splits}
    return DatasetFacts(
        labels=len(labels),
        channels=dataset.channels,
        height=dataset.height,
        width=dataset.width,
        train_db=sources["train"],
        val_db=sources.get("val"),
        mean_file=_from(job_dir, dataset.mean_path),
        backend=dataset.backend,
    )


def hdf5_list_name(split: str) -> str:
    """The list of a database's HDF5 files, in the job's folder."""
    return f"{split}_hdf5.txt"


def hdf5_lists(dataset: ImageClassificationDatasetJob, job_dir: Path) -> dict[str, str]:
    """The text of each list of HDF5 files by its name; TaskFailed when there is no such file."""
    lists = {}
    for split in ("train", "val"):
        if not dataset.picture_count(split):
            continue
        files = sorted(dataset.database_path(split).glob("*.h5"))
        if not files:
            raise TaskFailed(f"The database {split}_db of {dataset.name} has no HDF5 file.")
        lists[hdf5_list_name(split)] = "".join(f"{_from(job_dir, file)}\n" for file in files)
    return lists


def network_options(
    settings: ImageClassificationModelSettings,
    facts: DatasetFacts,
    labels: Sequence[str],
    mean_path: Path | None = None,
) -> NetworkOptions:
    """The settings that change the network; TaskFailed when the mean cannot be read.

    `labels` of the dataset are empty, and `mean_path`, its mean picture, is None while the dataset
    is still being made.
    """
    mean_values = settings.mean_value
    if settings.use_mean == PIXEL_MEAN:
        mean_values = mean_pixel(mean_path, facts.channels) if mean_path else (0,) * facts.channels
    return NetworkOptions(
        batch_size=settings.batch_size,
        crop_size=settings.crop_size,
        use_mean=settings.use_mean is True,
        mirror=MIRROR[settings.mirror],
        scale=settings.scale,
        mean_values=mean_values,
        retrain=begins_afresh(settings, labels),
        fine_tune=settings.what_learns,
        head_lr_mult=settings.head_lr_mult,
        python_layers=settings.python_layers,
        whitening=settings.aug_whitening,
    )


def begins_afresh(settings: ImageClassificationModelSettings, labels: Sequence[str]) -> bool:
    """Whether the classifier of a previous model is of no use for these categories, or unwanted."""
    takes_network = settings.method in ("previous", "pretrained")
    if not takes_network or settings.previous_snapshot == 0:
        return False
    return settings.restart_outputs or tuple(labels) != settings.previous_labels


def mean_pixel(mean_path: Path, channels: int) -> tuple[float, ...]:
    """The mean of each channel of a mean picture (`.binaryproto`, channels in B,G,R order)."""
    try:
        mean = read_mean(mean_path)
    except DataError as error:
        raise TaskFailed(f"The mean {mean_path.name} cannot be read: {error}.") from error
    if len(mean) != channels:
        raise TaskFailed(
            f"The mean {mean_path.name} has {len(mean)} channels, and the pictures have {channels}."
        )
    planes = mean.reshape(channels, -1)
    # Seven digits, which is all that single precision holds.
    return tuple(float(f"{math.fsum(plane.tolist()) / plane.size:.7g}") for plane in planes)


def _from(job_dir: Path, path: Path) -> str:
    """A path as files in `job_dir` name it: relative to jobs beside it, so both can be moved."""
    if path.is_relative_to(job_dir.parent):
        return os.path.relpath(path, job_dir)
    return str(path)
