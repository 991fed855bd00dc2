"""What all models have in common: a dataset, a training, and snapshots that can be used.

The folder holds `original.prototxt`, the network as it was given, and what the training made of it.
Elsewhere: what was asked for (`settings.py`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from digits.base.aside import Aside
from digits.base.job_files import read_beginning, read_text
from digits.caffe.errors import CaffeError
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.dataset.job import DatasetJob
from digits.errors import FormError, JobUnreadable, NotPossible, TaskFailed
from digits.inference import NetSource
from digits.jobs.job import Job
from digits.jobs.settings import JobSettings
from digits.jobs.status import Status
from digits.jobs.task import Task
from digits.model.download.archives import Member
from digits.model.network.errors import NetworkError
from digits.model.network.names import as_trained
from digits.model.network.text import STANDARD_NETWORKS, net_in_file, network_to_text, parse_network
from digits.model.results import ModelResults
from digits.model.settings import ModelSettings
from digits.model.tasks.train import TrainTask
from digits.model.training.failure import DIVERGED
from digits.model.training.plan import TrainingPlan
from digits.model.training.snapshot_choices import BEST, snapshot_words
from digits.model.training.snapshot_table import best_snapshot
from digits.model.training.snapshots import newest_state

ORIGINAL_FILE = "original.prototxt"
TRAIN_VAL_FILE = "train_val.prototxt"
DEPLOY_FILE = "deploy.prototxt"
# What later versions of DIGITS call the program that trains.
FRAMEWORK = "caffe"
PRETRAINED_FILE = "pretrained.caffemodel"
# In place of an epoch: the last snapshot where one is used, and what the training began from where
# another training begins with it.
LAST_SNAPSHOT = "-1"
FIRST_WEIGHTS = -1
# A network's own name stands at its head, before any layer.
NAME_WITHIN = 4096
LONGEST_NETWORK_NAME = 100
_NETWORK_NAME = re.compile(r"""\A\ufeff?(?:\s|#[^\n]*\n)*name\s*:\s*["']([^"'\n]*)["']""")


class ModelJob(Job):
    """A job that trains one network on one dataset."""

    category = "model"
    settings_type = ModelSettings
    settings: ModelSettings
    results_type = ModelResults
    task_types: ClassVar[Sequence[type[Task]]] = (TrainTask,)

    def __init__(self, job_dir: Path, name: str, settings: JobSettings) -> None:
        super().__init__(job_dir, name, settings)
        # None when the dataset's folder is gone.
        self.dataset: DatasetJob | None = None
        # What its network calls itself, once its file was asked.
        self._network: str | None = None

    @property
    def train_task(self) -> TrainTask:
        return next(task for task in self.tasks if isinstance(task, TrainTask))

    @property
    def dataset_id(self) -> str:
        return self.settings.dataset

    def required_jobs(self) -> list[str]:
        return [self.dataset_id]

    def link(self, jobs: Mapping[str, Job]) -> None:
        dataset = jobs.get(self.dataset_id)
        self.dataset = dataset if isinstance(dataset, DatasetJob) else None
        for task in self.tasks:
            if isinstance(task, TrainTask):
                task.attach(self)

    def check(self) -> None:
        trainings = sum(isinstance(task, TrainTask) for task in self.tasks)
        if trainings != 1:
            raise JobUnreadable(f"a model has one training; this one has {trainings}")
        super().check()

    def create_tasks(self) -> list[Task]:
        task = TrainTask(self.dir, "train_caffe")
        task.attach(self)
        return [task]

    def network_text(self) -> str:
        """The network as it was given.  Raises NotPossible when its file cannot be read."""
        try:
            return read_text(self.dir / ORIGINAL_FILE)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise NotPossible(
                f"The network of {self.name!r} cannot be read from {ORIGINAL_FILE} in its folder "
                f"({reason}). Put the file back, or take another model's network."
            ) from error

    def text_as_trained(self) -> str:
        """The network as it was given, with the names under which its weights are kept.

        Outputs that began afresh had other names in training.  Raises NotPossible as
        `network_text` does.
        """
        text = self.network_text()
        try:
            given = parse_network(text)
            net = as_trained(given, net_in_file(self.dir / TRAIN_VAL_FILE))
        except (NetworkError, CaffeError, OSError):
            return text  # what is wrong is said where the text is read
        return text if net is given else network_to_text(net)

    def customized(self, epoch: str) -> tuple[str, Path | None]:
        """The network to be changed by hand, and weights for it: those of the epoch, as text.

        Empty or 0: the network alone.  Raises FormError when there is no such snapshot.
        """
        if epoch in ("", "0"):
            return self.network_text(), None
        snapshot = self.snapshot(epoch)[1]
        return self.text_as_trained(), snapshot

    @property
    def resume_may_help(self) -> bool:
        """Also after a failure, where the training goes on from a state and has not diverged."""
        may_go_on = newest_state(self.dir) is not None and DIVERGED not in (self.error or "")
        return self.can_resume and (super().resume_may_help or may_go_on)

    def snapshots(self) -> dict[float | int, Path]:
        """The weights by epoch, oldest first."""
        return self.train_task.snapshots()

    def snapshot(self, epoch: str | None) -> tuple[float | int, Path]:
        """The snapshot of an epoch, as text; the last one when it is empty or -1.

        "best" is the one that did best in validation, or the last where nothing was measured; it
        waits for a long log to be read.
        Raises FormError at `snapshot_epoch` when there is none.
        """
        snapshots = self.snapshots()
        if not snapshots:
            raise _no_snapshot("This model has no snapshot yet. Wait for its first one.")
        if epoch is None or epoch.strip() in ("", LAST_SNAPSHOT):
            return list(snapshots.items())[-1]
        if epoch.strip() == BEST:
            # The end of a long log, which is all that is known at first, may not have it.
            self.read_logs(whole=True)
            best = best_snapshot(self.train_task.snapshot_table())
            return self.snapshot(f"{best.epoch!r}" if best else None)
        with contextlib.suppress(ValueError):
            for known, path in snapshots.items():
                if float(epoch) == known:
                    return known, path
        known_epochs = ", ".join(f"{known:g}" for known in snapshots)
        raise _no_snapshot(f"There is no snapshot of epoch {epoch[:40]!r}, but of {known_epochs}.")

    def weights_of(self, epoch: float) -> Path | None:
        """The weights that another training begins with: of a snapshot, or what this began from.

        None where this began from random ones.  Raises FormError when they are not there.
        """
        if epoch != FIRST_WEIGHTS:
            return self.snapshot(f"{epoch!r}")[1]
        weights = self.pretrained_weights()
        path = weights and self.dir / weights
        if path and not path.is_file():
            message = f"The weights that {self.name} began from are gone: {path}."
            raise FormError({"previous_networks": [message]})
        return path

    def pretrained_weights(self) -> Path | None:
        """Weights to start from: copied into the folder, or a file on the server."""
        copied = self.dir / PRETRAINED_FILE
        if copied.exists():
            return Path(PRETRAINED_FILE)
        given = self.settings.custom_network_snapshot
        return Path(given) if self.settings.method == "custom" and given else None

    def is_light(self) -> bool:
        """Whether its training takes a minute or so on the CPU, and needs no GPU therefore."""
        return False

    def engine_flags(self) -> list[str]:
        """What only our engine is told: where it keeps features, how it changes pictures."""
        return []

    def keep_weights(self, weights: Path) -> None:
        """Keep another model's weights in this job's folder, so that it stands for itself.

        They may have to be copied, which takes long.
        """
        target = self.dir / PRETRAINED_FILE
        try:
            # Snapshots are never written to again, so a second name for the file is enough.
            os.link(weights, target)
        except OSError:
            shutil.copyfile(weights, target)

    def require_input(self) -> None:
        """Raise TaskFailed when what the training reads is damaged; asked before each attempt."""

    def write_training_files(self) -> TrainingPlan:
        """Write solver and networks; raises TaskFailed when they cannot be made."""
        raise NotImplementedError

    def settings_in_words(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        """What was asked for, as (title, words); `names` are those of all jobs by id."""
        raise NotImplementedError

    def archive_members(self, epoch: float | int, weights: Path) -> list[Member]:
        """What goes into the archive of a snapshot."""
        raise NotImplementedError

    @classmethod
    def source_to_draw(cls, net: NetParameter, text: str, dataset: DatasetJob) -> NetSource:
        """What to draw of a network, where `dataset`, which it can learn from, trains it."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """What the training has come to, as plain JSON."""
        task = self.train_task
        return {
            "dataset_id": self.dataset_id,
            **self._snapshot_facts(),
            "last_outputs": task.last_outputs(),
            "eta_s": task.eta_s,
            **task.pace(),
        }

    def measure(self, aside: Aside) -> ModelResults:
        self.read_logs(whole=True)
        size, network = self.measure_size(aside), aside(named_network, self.dir / ORIGINAL_FILE)
        return replace(self.train_task.results(), size_bytes=size, network=network)

    def current_results(self) -> ModelResults:
        if self.status is Status.RUNNING:
            return self.train_task.results()
        return self.measured if isinstance(self.measured, ModelResults) else ModelResults()

    @property
    def network_name(self) -> str:
        """What its network is called: by the form, or by its own text; empty: by nobody."""
        standard = STANDARD_NETWORKS.get(self.settings.standard_networks)
        if self.settings.method == "standard" and standard is not None:
            return standard.title
        if isinstance(self.measured, ModelResults):
            return self.measured.network
        if self._network is None:  # it has not ended yet: there are few of these
            self._network = named_network(self.dir / ORIGINAL_FILE)
        return self._network

    def searched_text(self) -> str:
        dataset = self.dataset.name if self.dataset else ""
        return f"{super().searched_text()} {self.network_name} {dataset}"

    def table_facts(self) -> dict[str, Any]:
        return {
            "dataset_id": self.dataset_id,
            "framework": FRAMEWORK,
            "sparkline": self.train_task.sparkline(),
            **self.train_task.output_ranges(),
        }

    def _snapshot_facts(self) -> dict[str, Any]:
        table = self.train_task.snapshot_table()
        best = best_snapshot(table)
        return {
            "snapshots": [row.epoch for row in table],
            "snapshot_details": [
                {**row.to_json(), "words": snapshot_words(row, best)} for row in table
            ],
            "best_accuracy_epoch": next((r.epoch for r in table if r.has_best_accuracy), None),
            "lowest_loss_epoch": next((r.epoch for r in table if r.has_lowest_loss), None),
        }

    def prunable_epochs(self) -> list[float | int]:
        """The snapshots that are neither the best nor the last, nor needed now."""
        table = self.train_task.snapshot_table()
        return [r.epoch for r in table if not (r.is_best or r.is_last or r.kept_because)]


def needed_dataset(job: ModelJob) -> DatasetJob:
    """The job's dataset; TaskFailed when its folder is gone."""
    if job.dataset is None:
        raise TaskFailed(f"The dataset {job.dataset_id} of this model is gone.")
    return job.dataset


def named_network(path: Path) -> str:
    """What the network in a file calls itself; empty where it does not, or cannot be read."""
    try:
        beginning = read_beginning(path, NAME_WITHIN)
    except OSError:
        return ""
    found = _NETWORK_NAME.search(beginning)
    return found[1][:LONGEST_NETWORK_NAME].strip() if found else ""


def _no_snapshot(message: str) -> FormError:
    return FormError({"snapshot_epoch": [message]})
