"""The training task: runs `caffe train` in the job's folder.

In: the model job that it belongs to, which writes the network and the solver when its dataset is
there.  Out: a log and snapshots.  A training that was interrupted goes on from its newest solver
state; its log is continued.

Elsewhere: what the log says (`read_training.py`), the files (`job.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from digits.base.job_files import open_to_append
from digits.errors import JobRefused, TaskFailed
from digits.jobs.resources import GPU, LIGHT, TRAIN, Need
from digits.jobs.status import Status
from digits.model.network.hdf5 import MEAN_WEIGHTS_FILE
from digits.model.tasks.read_training import ReadTraining
from digits.model.training import snapshots
from digits.model.training.early_stopping import Stalled, stalled
from digits.model.training.failure import DIVERGED, explain
from digits.model.training.longer import end_of, go_on
from digits.model.training.program import caffe_command, caffe_version
from digits.model.training.solver import SOLVER_FILE

LOG_NAME = "caffe_output.log"


class TrainTask(ReadTraining):
    """One `caffe train`."""

    type_name = "train-caffe"
    resumable = True

    def __init__(self, job_dir: Path, task_id: str, depends_on: Sequence[str] = ()) -> None:
        # How much validation there was when early stopping was thought of, and what came of it.
        self._judged = 0
        self._stalled: Stalled | None = None
        super().__init__(job_dir, task_id, depends_on)

    def _start_reading(self) -> None:
        super()._start_reading()
        self._judged, self._stalled = 0, None

    @property
    def name(self) -> str:
        return "Train Caffe Model"

    @property
    def title(self) -> str:
        return "Training"

    @property
    def log_name(self) -> str:
        return LOG_NAME

    # Running ------------------------------------------------------------------------------------

    def need(self) -> Need:
        """One or more GPUs where the server has some, else a slot; a light one for light work."""
        settings = self.job.settings
        if self.job.is_light():
            return Need(LIGHT)
        if not settings.use_gpu:
            return Need(TRAIN)
        if settings.select_gpus:
            return Need(GPU, len(settings.select_gpus), settings.select_gpus)
        if settings.select_gpu_count:
            return Need(GPU, settings.select_gpu_count)
        if settings.select_gpu != "next":
            return Need(GPU, 1, (settings.select_gpu,))
        return Need(GPU)

    def prepare(self) -> None:
        self._find_real_caffe()
        self.job.require_input()
        if snapshots.newest_state(self.job_dir) is not None and self.plan is not None:
            return  # the training goes on with the files that it began with
        self._plan = self.job.write_training_files()

    def _find_real_caffe(self) -> None:
        """Note the version of a configured Caffe, in the settings and in the log."""
        root = self.job.settings.caffe_root
        if not root:
            return
        version = caffe_version(root)
        self.job.settings = replace(self.job.settings, caffe_version=version)
        with open_to_append(self.log_path) as file:
            program = caffe_command(root)[0]
            file.write(f"Training by Caffe {version}: {program}\n".encode())

    def arguments(self) -> list[str]:
        command = [
            *caffe_command(self.job.settings.caffe_root),
            "train",
            f"--solver={SOLVER_FILE}",
        ]
        if not self.job.settings.caffe_root:
            # Ours has the flag; its default is for people who run their own networks.
            allowed = self.job.settings.python_layers
            command.append("--allow_python" if allowed else "--noallow_python")
            if self.plan is not None and self.plan.val_images:
                command.append(f"--test_items={self.plan.val_images}")
            command += self.job.engine_flags()
        state = snapshots.newest_state(self.job_dir)
        given = self.weights_to_begin_with()
        if state is not None:
            command.append(f"--snapshot={state.name}")
        elif given:
            command.append(f"--weights={','.join(given)}")
        if self.has_gpu:
            command.append(f"--gpu={','.join(self.allocation)}")
        return command

    @property
    def has_gpu(self) -> bool:
        """Whether what it holds, or will hold, are GPUs."""
        return (self.slot_kind or self.need().kind) == GPU

    def weights_to_begin_with(self) -> list[str]:
        """Those of an earlier training, then the mean, which is in no other network."""
        weights = self.job.pretrained_weights()
        mean = [MEAN_WEIGHTS_FILE] if self.path(MEAN_WEIGHTS_FILE).exists() else []
        return [*([str(weights)] if weights is not None else []), *mean]

    def environment(self) -> dict[str, str]:
        """Without glog's variables: the log is read here, and must hold all that it can."""
        environment = super().environment()
        return {name: environment[name] for name in environment if not name.startswith("GLOG_")}

    def finish(self) -> None:
        if self.curves.diverged():
            raise TaskFailed(DIVERGED)
        if not snapshots.snapshot_weights(self.job_dir):
            raise TaskFailed(
                "The training ended without writing a snapshot. See the end of its log for why."
            )
        snapshots.remove_old_states(self.job_dir)

    @property
    def has_kept_something(self) -> bool:
        return bool(snapshots.snapshot_weights(self.job_dir))

    def has_done_enough(self) -> bool:
        with self._curves_lock:
            length = len(self.curves.val.iterations)
            if self._judged != length:
                self._judged, self._stalled = length, self._early_stop()
            return self._stalled is not None

    def _early_stop(self) -> Stalled | None:
        settings, plan = self.job.settings, self.plan
        if plan is None:
            return None
        patience, threshold = settings.early_stopping_patience, settings.early_stopping_threshold
        return stalled(self.curves, plan, patience, threshold)

    def describe_end(self) -> str | None:
        plan = self.plan
        if plan is None or self.curves.iteration >= plan.max_iter:
            return None
        if self.has_done_enough():
            return str(self._stalled)
        epoch, whole = plan.epoch_name(self.curves.iteration), plan.epoch_name(plan.max_iter)
        return f"Stopped at epoch {epoch:g} of {whole:g}. What it had learned is kept."

    @property
    def can_go_on(self) -> bool:
        """Whether it is Done, and has the state that a longer training would go on from."""
        is_done = self.status is Status.DONE and self.plan is not None
        return is_done and bool(snapshots.state_iterations(self.job_dir))

    def train_longer(self, epochs: int, rate: float | None) -> None:
        """Prepare a training that is Done to go on for so many epochs, at a rate [its last one].

        Raises JobRefused, FormError, or OSError when a file cannot be written.
        """
        plan = self.plan
        if plan is None:
            raise JobRefused("This model was not trained here: its training cannot go on.")
        end = end_of(self.job_dir)
        rate = end.learning_rate if rate is None else rate
        self._plan = go_on(self.job_dir, plan, end, epochs, rate)
        self.job.settings = replace(
            self.job.settings,
            train_epochs=math.ceil(self._plan.epoch(self._plan.max_iter)),
            learning_rate=rate,
            lr_policy="fixed",
            lr_warmup=0,
            # It has stopped for that reason, perhaps, and is to go on.
            early_stopping_patience=0,
        )

    def explain_failure(self, exit_status: int | None) -> str:
        return explain(self.curves, self.log_path, exit_status)
