"""A classification model: writes the files of its training, and says how its pictures are made.

Elsewhere: what was asked for (`settings.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from digits.base.job_files import read_text
from digits.caffe.data.augmentation import AUGMENTATION_FILE
from digits.caffe.data.lmdb_file import require_whole
from digits.caffe.errors import CaffeError, DataError
from digits.caffe.formats import prototxt
from digits.caffe.proto.caffe_pb2 import NetParameter, TransformationParameter
from digits.dataset.features import FEATURES_FOLDER
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.job import DatasetJob
from digits.errors import FormError, NotPossible, TaskFailed
from digits.inference import NetSource
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.jobs.task import Task
from digits.model.card import Card
from digits.model.download.archives import Member
from digits.model.images.classification.download import archive_members, model_info
from digits.model.images.classification.later_facts import later_facts
from digits.model.images.classification.light import is_light
from digits.model.images.classification.net_sources import source_to_draw
from digits.model.images.classification.picture_facts import PictureFacts
from digits.model.images.classification.search.outcome import (
    SearchOutcome,
    SearchRow,
    read_outcome,
)
from digits.model.images.classification.search.tasks import SearchTask
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.images.classification.settings_in_words import settings_in_words
from digits.model.images.classification.training_files import TrainingFiles, hdf5_lists, make_files
from digits.model.job import (
    DEPLOY_FILE,
    TRAIN_VAL_FILE,
    ModelJob,
    needed_dataset,
)
from digits.model.network import graph
from digits.model.network.deploy import Output, output_of
from digits.model.network.errors import NetworkError
from digits.model.network.fine_tune import HEAD, LAST_BLOCKS
from digits.model.network.hdf5 import BACKEND
from digits.model.network.text import net_in_file, network_to_text, parse_network
from digits.model.tasks.train import TrainTask
from digits.model.training.plan import TrainingPlan
from digits.model.training.solver import SOLVER_FILE


class ImageClassificationModelJob(ModelJob):
    """Learns to name what is on a picture."""

    type_name = "image-classification-model"
    title = "Image Classification Model"
    settings_type = ImageClassificationModelSettings
    settings: ImageClassificationModelSettings
    task_types = (TrainTask, SearchTask)

    @property
    def image_dataset(self) -> ImageClassificationDatasetJob:
        """The dataset; TaskFailed when it is gone."""
        dataset = needed_dataset(self)
        if not isinstance(dataset, ImageClassificationDatasetJob):
            raise TaskFailed(f"{dataset.name} is no dataset for image classification.")
        return dataset

    @property
    def card(self) -> Card | None:
        """That of the pretrained model which its weights come from; None where there is none."""
        return Card.from_json(self.settings.card)

    @property
    def pictures(self) -> PictureFacts:
        """How its pictures are made, and what it tells apart; TaskFailed when nobody knows."""
        return self.image_dataset

    def require_input(self) -> None:
        dataset = self.image_dataset
        if dataset.backend != "lmdb":
            return
        for split in dataset.splits():
            try:
                require_whole(dataset.database_path(split))
            except (OSError, ValueError) as error:
                raise TaskFailed(
                    f"The database {split}_db of {dataset.name} cannot be read: {error}."
                ) from error

    def is_light(self) -> bool:
        dataset = self.dataset
        return isinstance(dataset, ImageClassificationDatasetJob) and is_light(
            self.settings, dataset
        )

    def engine_flags(self) -> list[str]:
        changing = (
            [f"--augmentation={AUGMENTATION_FILE}"] if self.settings.augmentation.is_on else []
        )
        return [*changing, *self._feature_flags()]

    def _feature_flags(self) -> list[str]:
        # Others may keep a layer, too, but did not ask for variants in place of fresh crops.
        is_lmdb = self.image_dataset.backend != BACKEND
        if not is_lmdb or self.settings.what_learns not in (HEAD, LAST_BLOCKS):
            return []
        kept = self.feature_options()
        return [f"--feature_cache={kept['folder']}", f"--feature_variants={kept['variants']}"]

    def feature_options(self) -> dict[str, Any]:
        """Where the features of its dataset are kept, and in how many variants; 0: as usual."""
        folder = os.path.relpath(self.image_dataset.dir / FEATURES_FOLDER, self.dir)
        return {"folder": folder, "variants": self.settings.feature_variants or 0}

    def create_tasks(self) -> list[Task]:
        training = super().create_tasks()
        if not self.settings.find_settings:
            return training
        search = SearchTask(self.dir, "search_settings")
        search.attach(self)
        for task in training:
            task.depends_on = [search.id]
        return [search, *training]

    def link(self, jobs: Mapping[str, Job]) -> None:
        super().link(jobs)
        if (task := self.search_task) is not None:
            task.attach(self)

    @property
    def search_task(self) -> SearchTask | None:
        """The search for its settings; None where none was asked for."""
        return next((task for task in self.tasks if isinstance(task, SearchTask)), None)

    @property
    def search_outcome(self) -> SearchOutcome | None:
        """What the search has come to; None where there was none, or it is not over."""
        task = self.search_task
        is_over = task is not None and task.status is Status.DONE
        return read_outcome(self.dir) if is_over else None

    def first_weights(self) -> list[str]:
        return self.train_task.weights_to_begin_with()

    def take_settings(self, best: SearchRow) -> None:
        """Train with the pair that did best."""
        self.settings = replace(
            self.settings, learning_rate=best.learning_rate, weight_decay=best.weight_decay
        )

    def write_training_files(self) -> TrainingPlan:
        try:
            files = make_files(
                parse_network(self.network_text()),
                self.image_dataset,
                self.dir,
                replace(self.settings, use_gpu=self.train_task.has_gpu),
            )
        except (NetworkError, FormError, NotPossible) as error:
            raise TaskFailed(str(error)) from error
        self.write_text(TRAIN_VAL_FILE, network_to_text(files.networks.train_val))
        self.write_text(DEPLOY_FILE, network_to_text(files.networks.deploy))
        self.write_text(SOLVER_FILE, prototxt.to_text(files.solver))
        self._write_hdf5_files(files)
        if self.settings.augmentation.is_on:
            self.write_text(AUGMENTATION_FILE, self.settings.augmentation.to_text())
        files.plan.write(self.dir, self.sync)
        return files.plan

    def _write_hdf5_files(self, files: TrainingFiles) -> None:
        """What a training from HDF5 files needs besides; TaskFailed when it cannot be made."""
        dataset = self.image_dataset
        if dataset.backend != BACKEND:
            return
        for name, text in hdf5_lists(dataset, self.dir).items():
            self.write_text(name, text)
        mean = files.networks.mean_weights
        try:
            if mean is not None:
                mean.write(self.dir)
        except (OSError, DataError) as error:
            raise TaskFailed(f"The mean of {dataset.name} cannot be used: {error}.") from error

    def settings_in_words(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        return settings_in_words(self, names)

    def archive_members(self, epoch: float | int, weights: Path) -> list[Member]:
        return archive_members(self, epoch, weights)

    def archive_info(self, epoch: float | int, weights: Path) -> dict[str, Any]:
        """What the archive of a snapshot says of the model, in its info.json."""
        return model_info(self, epoch, weights)

    @classmethod
    def source_to_draw(cls, net: NetParameter, text: str, dataset: DatasetJob) -> NetSource:
        if not isinstance(dataset, ImageClassificationDatasetJob):
            return NetSource(text)
        return source_to_draw(net, text, dataset)

    def facts(self) -> dict[str, Any]:
        output = self.output()
        named = {"name": output.name, "is_probability": output.is_probability}
        snapshots = list(self.snapshots().values())
        return {
            **super().facts(),
            "search": search.to_json() if (search := self.search_outcome) else None,
            "output": named if output.name else None,
            **({"card": card.to_json()} if (card := self.card) else {}),
            **later_facts(self, snapshots[-1] if snapshots else None),
        }

    def transformation(self) -> TransformationParameter:
        """What the data layer does to pictures when the network is tested; NotPossible."""
        path = self.dir / TRAIN_VAL_FILE
        try:
            # Asked for with every picture, and parsing GoogLeNet takes 50 ms.
            return _transformation(path, path.stat().st_mtime_ns)
        except (CaffeError, NetworkError, OSError, UnicodeDecodeError) as error:
            raise NotPossible(f"{path.name} of {self.name!r} cannot be read: {error}") from error

    def output(self) -> Output:
        """The output of the deployed network that the model's pages and archives speak of.

        Its name is empty when the network cannot be read; whoever loads it says why.
        """
        path = self.dir / DEPLOY_FILE
        plan = self.train_task.plan
        try:
            return _output(path, path.stat().st_mtime_ns, plan.output if plan else "")
        except (CaffeError, NetworkError, OSError):
            return Output("", True)


@lru_cache(maxsize=64)
def _output(path: Path, changed_ns: int, name: str) -> Output:
    """Of the network in a file as it was at a moment."""
    return output_of(net_in_file(path), name)


@lru_cache(maxsize=64)
def _transformation(path: Path, changed_ns: int) -> TransformationParameter:
    """Of the network in a file as it was at a moment."""
    net = prototxt.parse_text(read_text(path), NetParameter())
    return graph.transform_in_test(net)
