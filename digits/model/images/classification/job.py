"""A classification model: writes the files of its training, and says how its pictures are made.

Settings are the form's fields, by name; see `forms.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from digits.atomic import write_text
from digits.caffe import prototxt
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import NetParameter, TransformationParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, TaskFailed
from digits.model import net_graph
from digits.model.errors import NetworkError
from digits.model.images.classification.described import described_settings
from digits.model.job import DEPLOY_FILE, TRAIN_VAL_FILE, ModelJob, needed_dataset
from digits.model.network_text import network_to_text, parse_network
from digits.model.networks import DatasetFacts, NetworkOptions, Networks, make_networks
from digits.model.plan import TrainingPlan
from digits.model.solver import LearningRate, SolverOptions, TrainingSize, make_solver
from digits.model.tasks.train import SOLVER_FILE

# The form's choices; None leaves it to the network.
MIRROR = {"": None, "on": True, "off": False}


@dataclass(frozen=True)
class TrainingFiles:
    """What a training needs, before it is written."""

    networks: Networks
    solver: caffe_pb2.SolverParameter
    plan: TrainingPlan


class ImageClassificationModelJob(ModelJob):
    """Learns to name what is on a picture."""

    type_name = "image-classification-model"
    title = "Image Classification Model"
    page_template = "models/images/classification/show.html"

    @property
    def image_dataset(self) -> ImageClassificationDatasetJob:
        """The dataset; TaskFailed when it is gone."""
        dataset = needed_dataset(self)
        if not isinstance(dataset, ImageClassificationDatasetJob):
            raise TaskFailed(f"{dataset.name} is no dataset for image classification.")
        return dataset

    def write_training_files(self) -> TrainingPlan:
        try:
            files = make_files(
                parse_network(self.network_text()), self.image_dataset, self.dir, self.settings
            )
        except (NetworkError, FormError) as error:
            raise TaskFailed(str(error)) from error
        write_text(self.dir / TRAIN_VAL_FILE, network_to_text(files.networks.train_val))
        write_text(self.dir / DEPLOY_FILE, network_to_text(files.networks.deploy))
        write_text(self.dir / SOLVER_FILE, prototxt.to_text(files.solver))
        files.plan.write(self.dir)
        return files.plan

    def described_settings(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        return described_settings(self, names)

    def transformation(self) -> TransformationParameter:
        """What the data layer does to pictures when the network is tested."""
        path = self.dir / TRAIN_VAL_FILE
        # Asked for with every picture, and parsing GoogLeNet takes 50 ms.
        return _transformation(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _transformation(path: Path, changed_ns: int) -> TransformationParameter:
    """Of the network in a file as it was at a moment."""
    net = prototxt.parse_text(path.read_text(), NetParameter())
    data = [layer for layer in net.layer if layer.type == "Data"]
    in_test = [layer for layer in data if net_graph.is_included(layer, net_graph.VAL)]
    return (in_test or data)[0].transform_param


def make_files(
    given: NetParameter,
    dataset: ImageClassificationDatasetJob,
    job_dir: Path,
    settings: Mapping[str, Any],
) -> TrainingFiles:
    """What `settings` make of a network and a dataset that is Done.

    Raises NetworkError, FormError, and TaskFailed when the dataset lacks something.
    """
    facts = dataset_facts(dataset, job_dir)
    networks = make_networks(given, facts, network_options(settings))
    size = TrainingSize(
        train_images=dataset.picture_count("train"),
        train_batch_size=networks.train_batch_size,
        val_images=dataset.picture_count("val") if facts.val_db else None,
        val_batch_size=networks.val_batch_size,
    )
    solver = make_solver(solver_options(settings), size, use_gpu=settings["use_gpu"])
    main_accuracy, main_loss = net_graph.main_measures(networks.train_val)
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
    )
    return TrainingFiles(networks, solver, plan)


def dataset_facts(dataset: ImageClassificationDatasetJob, job_dir: Path) -> DatasetFacts:
    """What a network must know of a dataset that is Done; TaskFailed when something is missing."""
    labels = dataset.labels()
    splits = {s: dataset.database_path(s) for s in ("train", "val") if dataset.picture_count(s)}
    if len(labels) < 2 or "train" not in splits or not dataset.mean_path.is_file():
        raise TaskFailed(
            f"The dataset {dataset.name} cannot be trained on: it needs at least two labels, "
            f"pictures to train with, and a mean. It has {len(labels)} labels."
        )
    return DatasetFacts(
        labels=len(labels),
        channels=dataset.channels,
        height=dataset.height,
        width=dataset.width,
        train_db=_from(job_dir, splits["train"]),
        val_db=_from(job_dir, splits["val"]) if "val" in splits else None,
        mean_file=_from(job_dir, dataset.mean_path),
    )


def network_options(settings: Mapping[str, Any]) -> NetworkOptions:
    """The settings that change the network."""
    return NetworkOptions(
        batch_size=settings["batch_size"],
        crop_size=settings["crop_size"],
        use_mean=settings["use_mean"],
        # Models of earlier versions were made without these.
        mirror=MIRROR[settings.get("mirror") or ""],
        scale=settings.get("scale"),
        mean_values=tuple(settings.get("mean_value") or ()),
        retrain=settings["method"] == "previous" and settings["previous_snapshot"] != 0,
        python_layers=settings.get("python_layers", False),
    )


def solver_options(settings: Mapping[str, Any]) -> SolverOptions:
    """The settings of the solver."""
    return SolverOptions(
        learning_rate=learning_rate(settings),
        solver_type=settings["solver_type"],
        train_epochs=settings["train_epochs"],
        snapshot_interval=settings["snapshot_interval"],
        val_interval=settings["val_interval"],
        random_seed=settings["random_seed"],
    )


def learning_rate(settings: Mapping[str, Any]) -> LearningRate:
    """The settings of the learning rate."""
    return LearningRate(
        base=settings["learning_rate"],
        policy=settings["lr_policy"],
        step_size=settings["lr_step_size"],
        step_gamma=settings["lr_step_gamma"],
        multistep_values=tuple(settings["lr_multistep_values"]),
        multistep_gamma=settings["lr_multistep_gamma"],
        exp_gamma=settings["lr_exp_gamma"],
        inv_gamma=settings["lr_inv_gamma"],
        inv_power=settings["lr_inv_power"],
        poly_power=settings["lr_poly_power"],
        sigmoid_step=settings["lr_sigmoid_step"],
        sigmoid_gamma=settings["lr_sigmoid_gamma"],
    )


def _from(job_dir: Path, path: Path) -> str:
    """A path as files in `job_dir` name it: relative to jobs beside it, so both can be moved."""
    if path.parent.parent == job_dir.parent:
        return os.path.relpath(path, job_dir)
    return str(path)
