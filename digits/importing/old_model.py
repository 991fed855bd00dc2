"""Import a model: its prototxt files, snapshots and log become a model job of ours.

Paths to the dataset, absolute in the original's files, become those of the imported dataset.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from digits.base.atomic import write_text
from digits.caffe.errors import CaffeError
from digits.caffe.formats import prototxt, upgrade
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter, NetState, SolverParameter
from digits.dataset.images.classification.job import MEAN_FILE, ImageClassificationDatasetJob
from digits.errors import ToolError
from digits.importing.old_files import (
    DEPLOY_FILE,
    TRAIN_VAL_FILE,
    discard,
    save_ended,
    take_over,
)
from digits.importing.settings import model_settings
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.job import ORIGINAL_FILE
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.training import as_given
from digits.model.tasks.train import LOG_NAME
from digits.model.training.plan import TrainingPlan
from digits.model.training.snapshots import newest_state, snapshot_weights
from digits.model.training.solver import SNAPSHOT_PREFIX, SOLVER_FILE, SolverOptions

PHASES = {"train": graph.TRAIN, "val": graph.VAL}


@dataclass(frozen=True)
class OldModel:
    """What a model's files tell."""

    folder: Path
    train_val: NetParameter
    solver: SolverParameter

    @property
    def old_dataset(self) -> Path | None:
        """The folder of the dataset that it was trained on, as its network names it."""
        layer = data_layer(self.train_val, graph.TRAIN)
        source = layer.data_param.source if layer is not None else ""
        return Path(source).parent if source else None


def read_model(folder: Path) -> OldModel:
    """What the files of a model tell; ToolError when one is missing or cannot be read."""
    weights = snapshot_weights(folder)
    if not weights:
        raise ToolError(
            f"{folder} has no {SNAPSHOT_PREFIX}_iter_N.caffemodel: there is nothing to import."
        )
    try:
        train_val = upgrade.read_net(folder / TRAIN_VAL_FILE)
        upgrade.read_net(folder / DEPLOY_FILE)
        if (folder / SOLVER_FILE).is_file():
            solver = upgrade.read_solver(folder / SOLVER_FILE)
        else:
            solver = _usual_solver(max(weights))
        data = data_layer(train_val, graph.TRAIN)
    except (CaffeError, NetworkError, OSError) as error:
        raise ToolError(f"{folder} cannot be imported: {error}") from error
    if data is None:
        raise ToolError(f"{folder / TRAIN_VAL_FILE} has no Data layer for the TRAIN phase.")
    return OldModel(folder, train_val, solver)


def import_model(
    store: JobStore,
    old: OldModel,
    dataset: ImageClassificationDatasetJob,
    name: str,
    *,
    use_gpu: bool,
) -> ImageClassificationModelJob:
    """A job with the files of `old`, Done, or Aborted when its training can still be resumed.

    Raises StorageError or OSError; nothing is left then.
    """
    plan = training_plan(old, dataset)
    layer = data_layer(old.train_val, graph.TRAIN)
    transform = (layer or LayerParameter()).transform_param
    settings = model_settings(
        old.solver,
        plan.epoch_iterations,
        dataset=dataset.id,
        batch_size=plan.train_batch_size,
        crop_size=transform.crop_size or None,
        use_mean=transform.HasField("mean_file"),
        use_gpu=use_gpu,
        imported_from=old.folder.name,
    )
    job = store.create(ImageClassificationModelJob, name, settings)
    try:
        _write_files(old, dataset, job.dir, use_gpu)
        plan.write(job.dir)
        job.tasks = job.create_tasks()
        state = newest_state(job.dir)
        unfinished = max(snapshot_weights(job.dir)) < plan.max_iter
        can_go_on = unfinished and state is not None and dataset.picture_count("train") > 0
        save_ended(store, job, old.folder, Status.ABORTED if can_go_on else Status.DONE)
    except BaseException:
        discard(job)
        raise
    return job  # type: ignore[return-value]  # `create` answers what it was given


def training_plan(old: OldModel, dataset: ImageClassificationDatasetJob) -> TrainingPlan:
    """How long the training was; an epoch is guessed when the dataset has no pictures to count."""
    solver, net = old.solver, old.train_val
    batches = {name: _batch_size(net, state) for name, state in PHASES.items()}
    images = {name: dataset.picture_count(name) for name in PHASES}
    # The original took snapshots and validated once an epoch by default.
    guess = solver.snapshot or solver.test_interval or solver.max_iter // SolverOptions.train_epochs
    counted = -(-images["train"] // batches["train"])
    main_accuracy, main_loss = graph.main_measures(net)
    accuracies = [
        top
        for layer in graph.layers_in(net, graph.VAL)
        if layer.type == "Accuracy"
        for top in layer.top
    ]
    return TrainingPlan(
        max_iter=max(1, solver.max_iter),
        epoch_iterations=max(1, counted or guess),
        train_images=images["train"] or guess * batches["train"],
        train_batch_size=batches["train"],
        val_images=images["val"],
        val_batch_size=batches["val"],
        accuracies=tuple(accuracies),
        main_accuracy=main_accuracy,
        main_loss=main_loss,
    )


def data_layer(net: NetParameter, state: NetState) -> LayerParameter | None:
    """The layer that reads the database in a phase."""
    layers = [layer for layer in graph.layers_in(net, state) if layer.type == "Data"]
    return layers[0] if layers else None


def _batch_size(net: NetParameter, state: NetState) -> int:
    layer = data_layer(net, state)
    return max(1, layer.data_param.batch_size) if layer is not None else 1


def _write_files(
    old: OldModel, dataset: ImageClassificationDatasetJob, target: Path, use_gpu: bool
) -> None:
    net = NetParameter()
    net.CopyFrom(old.train_val)
    _point_to(net, dataset)
    write_text(target / TRAIN_VAL_FILE, prototxt.to_text(net))
    write_text(target / SOLVER_FILE, prototxt.to_text(_solver_here(old.solver, use_gpu)))
    take_over(old.folder / DEPLOY_FILE, target / DEPLOY_FILE)
    if (old.folder / ORIGINAL_FILE).is_file():
        take_over(old.folder / ORIGINAL_FILE, target / ORIGINAL_FILE)
    else:
        write_text(target / ORIGINAL_FILE, prototxt.to_text(as_given(net)))
    for path in old.folder.glob(f"{SNAPSHOT_PREFIX}_iter_*"):
        take_over(path, target / path.name)
    if (old.folder / LOG_NAME).is_file():
        # A copy, since a resumed training goes on writing to it.
        shutil.copyfile(old.folder / LOG_NAME, target / LOG_NAME)


def _point_to(net: NetParameter, dataset: ImageClassificationDatasetJob) -> None:
    """Let the data layers read the dataset, by paths that hold wherever both are moved together."""
    beside = f"../{dataset.id}"
    for split, state in PHASES.items():
        layer = data_layer(net, state)
        if layer is None:
            continue
        layer.data_param.source = f"{beside}/{split}_db"
        if layer.transform_param.HasField("mean_file") and dataset.mean_path.is_file():
            layer.transform_param.mean_file = f"{beside}/{MEAN_FILE}"


def _usual_solver(iterations: int) -> SolverParameter:
    """What the form's defaults would have made, in place of a solver.prototxt that is missing."""
    rate = SolverOptions.learning_rate
    return SolverParameter(base_lr=rate, lr_policy="fixed", max_iter=iterations)


def _solver_here(solver: SolverParameter, use_gpu: bool) -> SolverParameter:
    here = SolverParameter()
    here.CopyFrom(solver)
    for name in ("train_net", "test_net", "net_param", "train_net_param", "test_net_param"):
        here.ClearField(name)
    here.net, here.snapshot_prefix = TRAIN_VAL_FILE, SNAPSHOT_PREFIX
    here.solver_mode = SolverParameter.GPU if use_gpu else SolverParameter.CPU
    return here
