"""What a model that is not made yet will take: room for its snapshots, and time.

In: a model that was checked (`creation.py`), and its dataset.  Out: an `Estimate`, in numbers and
in words for the form.  The number of parameters comes from the check, the pace from a few
iterations that are timed (`inference/timing.py`).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from digits.base.formatting import about, file_size
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.inference.timing import Times, Timings, Training
from digits.jobs.resources import GPU, Need
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.creation import Prepared
from digits.model.images.classification.light import is_light, keeps_features
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.images.classification.training_files import (
    TrainingFiles,
    hdf5_lists,
    make_files,
)
from digits.model.job import TRAIN_VAL_FILE
from digits.model.network.hdf5 import BACKEND
from digits.model.network.text import network_to_text

FLOAT_BYTES = 4
# How often the solver keeps something as large as the weights; once unless named here.
HISTORIES = {"AdaDelta": 2, "Adam": 2}
# As the engine's `solving/features.py` has it, which the web process does not load.
USUAL_VARIANTS = 4
UNKNOWN_YET = "Size and time are estimated once the dataset is ready."
NO_TIME = "How long an epoch takes could not be measured."
UNCHECKED = "The server is too busy to check the network now."
# Paths in files for no job's folder are absolute.
NOWHERE = Path("/nowhere/new")


@dataclass(frozen=True)
class Estimate:
    """A training in numbers; None: not known (yet)."""

    parameters: int | None = None
    snapshots: int | None = None
    snapshot_bytes: int | None = None
    # All snapshots, and the one solver state that is kept.
    snapshots_bytes: int | None = None
    free_bytes: int | None = None
    epoch_iterations: int | None = None
    iterations: int | None = None
    epoch_s: float | None = None
    training_s: float | None = None
    # What does not learn runs once, which takes nearly all of the time; an epoch takes little then.
    runs_once: bool = False
    # Why something is not known.
    note: str = ""

    @property
    def words(self) -> list[str]:
        """The same in sentences; none where nothing is known."""
        return [text for text in (self._room(), self._time(), self.note) if text]

    @property
    def warnings(self) -> list[str]:
        """What stands in the way."""
        if not self.snapshots_bytes or self.free_bytes is None:
            return []
        if self.snapshots_bytes <= self.free_bytes:
            return []
        return [
            f"The disk has {file_size(self.free_bytes)} left. Choose a longer snapshot interval, "
            "or 0 to keep the last snapshot alone."
        ]

    def _room(self) -> str:
        if self.snapshots is None or self.snapshot_bytes is None or self.snapshots_bytes is None:
            return ""
        one = file_size(self.snapshot_bytes)
        if self.snapshots == 1:
            return f"One snapshot, {one}; {file_size(self.snapshots_bytes)} on the disk in total."
        many = f"{self.snapshots:,} snapshots of {one} each"
        return f"{many}; {file_size(self.snapshots_bytes)} on the disk in total."

    def _time(self) -> str:
        if self.runs_once and self.training_s is not None:
            return (
                f"What does not learn runs once, in about {about(self.training_s)} here, or is "
                "there already. An epoch takes little then."
            )
        if self.epoch_s is None or self.training_s is None:
            return ""
        epoch = "less than a second" if self.epoch_s < 1 else f"about {about(self.epoch_s)}"
        return f"An epoch takes {epoch} here, the training about {about(self.training_s)}."


def estimate(
    prepared: Prepared,
    dataset: ImageClassificationDatasetJob,
    scheduler: Scheduler,
    timings: Timings,
    environment: Mapping[str, str],
    *,
    timed: bool,
) -> Estimate:
    """What a model will take; without `timed`, the time only if it was measured before.

    Raises NetworkError, FormError, and TaskFailed when the dataset lacks something.
    """
    if dataset.status is not Status.DONE:
        return Estimate(note=UNKNOWN_YET)
    files = make_files(prepared.net, dataset, NOWHERE, prepared.settings)
    found = _with_room(_lengths(files), prepared.parameters, files.solver, scheduler)
    training = _training(files, prepared.settings, dataset, scheduler)
    if training is None:
        return found
    times = timings.times(training, environment) if timed else timings.kept(training)
    if times is None:
        return replace(found, note=found.note or NO_TIME) if timed else found
    if keeps_features(prepared.settings, dataset):
        return _with_one_run(found, files, times, prepared.settings, dataset)
    return _with_times(found, files, times)


def snapshot_count(solver: SolverParameter) -> int:
    """How many snapshots a training takes, that at its end among them."""
    if not solver.snapshot:
        return 1
    whole, rest = divmod(solver.max_iter, solver.snapshot)
    return int(whole + (1 if rest else 0))


def _lengths(files: TrainingFiles) -> Estimate:
    return Estimate(
        snapshots=snapshot_count(files.solver),
        epoch_iterations=files.plan.epoch_iterations,
        iterations=files.plan.max_iter,
    )


def _with_room(
    found: Estimate, parameters: int | None, solver: SolverParameter, scheduler: Scheduler
) -> Estimate:
    if parameters is None or found.snapshots is None:
        return replace(found, note=UNCHECKED)
    one = FLOAT_BYTES * parameters
    state = one * HISTORIES.get(solver.type, 1)
    return replace(
        found,
        parameters=parameters,
        snapshot_bytes=one,
        snapshots_bytes=found.snapshots * one + state,
        free_bytes=shutil.disk_usage(scheduler.store.jobs_dir).free,
    )


def _with_times(found: Estimate, files: TrainingFiles, times: Times) -> Estimate:
    plan, solver = files.plan, files.solver
    train_s = plan.max_iter * plan.batch_accumulation * times.iteration_s
    val_s = 0.0
    if solver.test_interval and solver.test_iter and times.val_batch_s is not None:
        # The first is before the training.
        passes = plan.max_iter // solver.test_interval + 1
        val_s = passes * solver.test_iter[0] * times.val_batch_s
    epochs = plan.max_iter / plan.epoch_iterations
    return replace(found, epoch_s=(train_s + val_s) / epochs, training_s=train_s + val_s)


def _with_one_run(
    found: Estimate,
    files: TrainingFiles,
    times: Times,
    settings: Settings,
    dataset: ImageClassificationDatasetJob,
) -> Estimate:
    plan, data = files.plan, files.networks.train_val.layer[0].transform_param
    crop = data.crop_size
    is_random = data.mirror or (crop > 0 and (dataset.height, dataset.width) != (crop, crop))
    variants = (settings.feature_variants or USUAL_VARIANTS) if is_random else 1
    train_s = variants * plan.epoch_iterations * times.iteration_s
    val_s = (times.val_batch_s or 0.0) * math.ceil(plan.val_images / (plan.val_batch_size or 1))
    return replace(found, training_s=train_s + val_s, runs_once=True)


def _training(
    files: TrainingFiles,
    settings: Settings,
    dataset: ImageClassificationDatasetJob,
    scheduler: Scheduler,
) -> Training | None:
    """What is to be timed; None for what cannot be: another Caffe, several GPUs, none free."""
    gpu = "" if is_light(settings, dataset) else _device(settings, scheduler)
    if settings.caffe_root or gpu is None:
        return None
    texts = {TRAIN_VAL_FILE: network_to_text(files.networks.train_val)}
    if dataset.backend == BACKEND:
        texts |= hdf5_lists(dataset, NOWHERE)
    return Training(tuple(texts.items()), files.solver.type, gpu, settings.python_layers)


def _device(settings: Settings, scheduler: Scheduler) -> str | None:
    """The number of a free GPU, "" for the CPU; None for several, or when none is free."""
    if not settings.use_gpu:
        return ""
    chosen = settings.select_gpus or (
        () if settings.select_gpu in (None, "next") else (str(settings.select_gpu),)
    )
    if len(chosen) > 1 or (settings.select_gpu_count or 1) > 1:
        return None
    free = scheduler.resources.find(Need(GPU, 1, chosen or None))
    return free[0] if free else None
