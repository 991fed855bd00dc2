"""What a training's log says: progress, graphs, snapshots and results, all derived from it.

In: the lines of `caffe_output.log`, which our engine and real Caffe write alike.  Out: what pages
show of the training, and old snapshots removed behind new ones.

Elsewhere: the log's lines (`caffe/formats/training_log.py`), the tables
(`model/training/history.py`), running the program (`train.py`).
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from digits.caffe.formats import training_log
from digits.errors import JobRefused, StorageError
from digits.jobs import signals
from digits.jobs.signals import Update
from digits.jobs.status import Status
from digits.jobs.task import Task
from digits.model.results import ModelResults, results_of
from digits.model.settings import ModelSettings
from digits.model.training import charts, snapshots
from digits.model.training.digest import TrainingDigest
from digits.model.training.history import History, csv_header, csv_pieces, finite, history_json
from digits.model.training.outcome import Outcome, outcome_of
from digits.model.training.plan import TrainingPlan
from digits.model.training.snapshot_table import SnapshotFacts, best_snapshot, snapshot_table

MEMORY_EVERY_S = 5.0


class Trainable(Protocol):
    """What the task needs of its job."""

    settings: ModelSettings

    def require_input(self) -> None:
        """Raise TaskFailed when what the training reads is damaged."""

    def write_training_files(self) -> TrainingPlan:
        """Write solver and networks into the job's folder; TaskFailed when they cannot be made."""

    def pretrained_weights(self) -> Path | None:
        """Weights to start from."""

    def is_light(self) -> bool:
        """Whether it takes a minute or so on the CPU."""

    def engine_flags(self) -> list[str]:
        """What only our engine is told: where it keeps features, how it changes pictures."""


class ReadTraining(Task):
    """A training as its log tells it.  `attach` gives it its job, before all else is asked."""

    digest_kind = TrainingDigest

    def __init__(self, job_dir: Path, task_id: str, depends_on: Sequence[str] = ()) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self._job: Trainable | None = None
        self._plan: TrainingPlan | None = None
        # Guards the curves: pages are answered while the runner's thread reads on.
        self._curves_lock = threading.RLock()
        # Asking the kernel takes longer than all else about a pace, so it is asked now and then.
        self._memory: int | None = None
        self._memory_due_s = 0.0
        self._start_reading()

    def attach(self, job: Trainable) -> None:
        """Tell it the job that it belongs to."""
        self._job = job

    @property
    def job(self) -> Trainable:
        if self._job is None:
            raise RuntimeError("a training task was used before it was attached to its job")
        return self._job

    @property
    def plan(self) -> TrainingPlan | None:
        """How long the training is; None before its files are written."""
        if self._plan is None:
            self._plan = TrainingPlan.read(self.job_dir)
        return self._plan

    # Reading the log ----------------------------------------------------------------------------

    def reset(self) -> None:
        super().reset()
        self._start_reading()

    def _start_reading(self) -> None:
        with self._curves_lock:
            self._told = TrainingDigest()
            self._newest_snapshot: int | None = None
            # What lists show, and how long the curves were of which it was measured.
            self._results: tuple[tuple[int, int], ModelResults] | None = None

    @property
    def curves(self) -> History:
        """What the log has said so far."""
        return self._told.history

    @property
    def digest(self) -> TrainingDigest:
        return self._told

    def take_digest(self, digest: Any) -> None:
        with self._curves_lock:
            self._told, self._results = digest, None
            self._update_progress()

    def process_line(self, line: str) -> None:
        with self._curves_lock:
            event = self._told.take(line.encode("utf-8", "replace"))
            if event is not None:
                self._note(event)

    def _note(self, event: training_log.Event) -> None:
        """Say what is new, and clean up behind a snapshot that is complete."""
        match event:
            case training_log.TrainOutput() | training_log.ValOutput():
                self.mark_changed(Update.COMBINED_GRAPH)
            case training_log.Rate():
                self.mark_changed(Update.LR_GRAPH)
            case training_log.Started() | training_log.Finished():
                self.mark_changed(Update.PACE)
            case training_log.Snapshot(iteration=iteration):
                self._newest_snapshot = iteration
                self.mark_changed(Update.SNAPSHOTS)
                return
        if self._newest_snapshot is not None and self.status is Status.RUNNING:
            # Something was said after it, so its state is on disk; or it was, when an old log is
            # read again.
            snapshots.remove_old_states(self.job_dir)
            self._remove_old_weights()
            self._newest_snapshot = None
        self._update_progress()

    def _remove_old_weights(self) -> None:
        """Leave as many of the last snapshots as are wanted, and the best one."""
        kept = self.job.settings.snapshots_kept
        if not kept:
            return
        table = self.snapshot_table()
        best = best_snapshot(table)
        for row in table[:-kept]:
            if row is not best and not row.kept_because:
                with contextlib.suppress(OSError):  # it is tried again after the next one
                    snapshots.remove_snapshot(self.job_dir, row.iteration)
        self.mark_changed(Update.SNAPSHOTS)

    def _update_progress(self) -> None:
        plan = self.plan
        if plan is None:
            return
        iteration = self.curves.iteration
        progress = min(1.0, iteration / plan.max_iter)
        if progress != self.progress:
            self.mark_changed(Update.PACE)
        self.progress = progress
        pace = self.curves.iterations_per_s()
        self.eta_s = (plan.max_iter - iteration) / pace if pace else None

    # Results ------------------------------------------------------------------------------------

    def update_data(self, update: str) -> Any:
        """Charts in C3's form, the snapshots as [epoch, text], or the present pace."""
        with self._curves_lock:
            match update:
                case Update.COMBINED_GRAPH:
                    accuracies = self.plan.accuracies if self.plan else ()
                    return charts.combined_chart(self.curves, self.epoch_iterations, accuracies)
                case Update.LR_GRAPH:
                    return charts.rate_chart(self.curves, self.epoch_iterations)
                case Update.SNAPSHOTS:
                    return [[epoch, f"Epoch #{epoch:g}"] for epoch in self.snapshots()]
                case Update.PACE:
                    return self.pace()
        return super().update_data(update)

    def history_csv(self) -> Iterator[str]:
        """Every point so far, as pieces of a CSV file."""
        with self._curves_lock:
            header, rows = csv_header(self.curves), self.curves.rows()
        return csv_pieces(header, rows, self.epoch_iterations)

    def history_json(self) -> dict[str, Any]:
        """Every point of the training as plain JSON."""
        with self._curves_lock:
            return history_json(self.curves, self.epoch_iterations)

    @property
    def epoch_iterations(self) -> int:
        return self.plan.epoch_iterations if self.plan else 1

    def snapshots(self) -> dict[float | int, Path]:
        """The weights on disk by epoch, oldest first."""
        plan = self.plan
        if plan is None:
            return {}
        return {plan.epoch_name(iteration): path for iteration, path in self._weights().items()}

    def _weights(self) -> dict[int, Path]:
        """The weights on disk by iteration, oldest first."""
        weights = snapshots.snapshot_weights(self.job_dir)
        if self.status is not Status.RUNNING:
            return weights
        # While a snapshot is being written its weights may be half there: the log tells.
        with self._curves_lock:
            told = set(self.curves.snapshots)
        return {iteration: path for iteration, path in weights.items() if iteration in told}

    def snapshot_table(self) -> list[SnapshotFacts]:
        """What is known of each snapshot, oldest first."""
        plan = self.plan
        if plan is None:
            return []
        with self._curves_lock:
            weights = self._weights()
            return snapshot_table(weights, plan, self.curves.val, self._kept(weights))

    def _kept(self, weights: Mapping[int, Path]) -> dict[int, str]:
        """Which snapshots cannot go now, and why."""
        if self.status is Status.DONE:
            return {}
        kept = dict.fromkeys(
            snapshots.state_iterations(self.job_dir), "The training goes on from it."
        )
        if self.status is Status.RUNNING and weights:
            kept.setdefault(max(weights), "It may not be written to its end yet.")
        return kept

    def delete_snapshots(self, epochs: Collection[float | int]) -> None:
        """Remove snapshots; JobRefused when one of them is needed, StorageError when it stays."""
        with self._curves_lock:
            chosen = [row for row in self.snapshot_table() if row.epoch in epochs]
            for row in chosen:
                if row.kept_because:
                    raise JobRefused(
                        f"The snapshot of epoch {row.epoch:g} cannot be deleted: {row.kept_because}"
                    )
            try:
                for row in chosen:
                    snapshots.remove_snapshot(self.job_dir, row.iteration)
            except OSError as error:
                raise StorageError(
                    f"A snapshot cannot be deleted: {error.strerror}. Check the job's folder."
                ) from error
        data = self.update_data(Update.SNAPSHOTS)
        signals.announce(signals.task_updated, self, update=Update.SNAPSHOTS, data=data)

    def pace(self) -> dict[str, Any]:
        """How far and how fast it is; what is not known is None: the pace of one that has ended."""
        plan = self.plan
        pace = self.curves.iterations_per_s() if self.status is Status.RUNNING else None
        images = pace * plan.iteration_images if pace and plan else None
        return {
            "iteration": self.curves.iteration,
            "max_iter": plan.max_iter if plan else None,
            "epoch": round(plan.epoch(self.curves.iteration), 3) if plan else None,
            "iterations_per_s": _rounded(pace),
            "images_per_s": _rounded(images),
            "memory_bytes": self._memory_bytes(),
        }

    def _memory_bytes(self) -> int | None:
        """What the training's processes hold now; None when it does not run."""
        if self.status is not Status.RUNNING:
            return None
        now = time.monotonic()
        if now >= self._memory_due_s:
            self._memory_due_s = now + MEMORY_EVERY_S
            process = self.process
            self._memory = process.memory_bytes() if process else None
        return self._memory

    def outcome(self) -> Outcome | None:
        """What it has come to so far; None before its files are written."""
        plan = self.plan
        if plan is None:
            return None
        with self._curves_lock:
            return outcome_of(self.curves, plan)

    def results(self) -> ModelResults:
        """What lists show of it; measured again when the log has said more."""
        plan = self.plan
        if plan is None:
            return ModelResults()
        with self._curves_lock:
            length = (len(self.curves.val.iterations), self.curves.iteration)
            if self._results is None or self._results[0] != length:
                self._results = (length, results_of(self.curves, plan))
            return self._results[1]

    def last_outputs(self) -> dict[str, dict[str, float | None]]:
        """The newest value of each output by phase."""
        with self._curves_lock:
            tables = {"train": self.curves.train, "val": self.curves.val}
            return {
                phase: {name: _finite(table.last(name)) for name in table.columns}
                for phase, table in tables.items()
            }

    def output_ranges(self) -> dict[str, float]:
        """The last, smallest and largest value of each output, as `loss (val) min`."""
        with self._curves_lock:
            tables = {"train": self.curves.train, "val": self.curves.val}
            found: dict[str, float] = {}
            for phase, table in tables.items():
                for name, column in table.columns.items():
                    if known := [value for value in finite(column) if value is not None]:
                        title = f"{name} ({phase})"
                        found[f"{title} last"] = known[-1]
                        found[f"{title} min"], found[f"{title} max"] = min(known), max(known)
            return found

    def sparkline(self) -> list[float | None]:
        """The first output of the graph, a few hundred points; empty before there is one."""
        columns = (self.update_data(Update.COMBINED_GRAPH) or {}).get("columns", [])
        return list(columns[1][1:]) if len(columns) > 1 else []


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
