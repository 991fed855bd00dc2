"""What a training was set up to do: the figures that turn iterations into epochs.

Kept as `training.json` in the job's folder, beside the prototxt files that it was computed with, so
that a log can be understood without reading the dataset or the network again.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from digits.base.atomic import SyncCall, write_text
from digits.errors import JobUnreadable
from digits.jobs.record import Count, read_record, require_arguments

PLAN_FILE = "training.json"


@dataclass(frozen=True)
class TrainingPlan:
    """The size of a training; no validation when `val_images` is 0."""

    max_iter: int
    epoch_iterations: int
    train_images: int
    train_batch_size: int
    val_images: int
    val_batch_size: int
    accuracies: tuple[str, ...]  # outputs that are shown in percent
    # The outputs that say how good a snapshot is; empty in old files, and where there is none.
    main_accuracy: str = ""
    main_loss: str = ""
    # The output of the deployed network; empty in old files.
    output: str = ""
    # Batches in an iteration; old files have one.
    batch_accumulation: int = 1

    @property
    def iteration_images(self) -> int:
        """The images of one iteration."""
        return self.train_batch_size * self.batch_accumulation

    def epoch(self, iteration: int) -> float:
        """How many epochs have been seen after `iteration` iterations."""
        return iteration / self.epoch_iterations

    def epoch_name(self, iteration: int) -> float | int:
        """The epoch with as many decimals as tell two iterations apart; whole ones without."""
        epoch = self.epoch(iteration)
        digits = math.ceil(math.log10(self.epoch_iterations)) if self.epoch_iterations > 1 else 0
        rounded = round(epoch, digits)
        return int(rounded) if rounded == int(rounded) else rounded

    def accuracy_name(self, outputs: Collection[str]) -> str | None:
        """Which of the validation's outputs is the accuracy by which snapshots are compared."""
        known = [name for name in (*self.accuracies, self.main_accuracy) if name in outputs]
        return known[-1] if known else None

    def loss_name(self, outputs: Collection[str]) -> str | None:
        """Which of the validation's outputs is the loss by which snapshots are compared."""
        if self.main_loss in outputs:
            return self.main_loss
        return next((name for name in outputs if not self.is_accuracy(name)), None)

    def is_accuracy(self, output: str) -> bool:
        """Whether an output, or a value of one that has several, is shown in percent."""
        return is_among(output, self.accuracies)

    def write(self, job_dir: Path, sync: SyncCall = os.fsync) -> None:
        """Keep it in a job's folder; OSError when that cannot be written."""
        write_text(job_dir / PLAN_FILE, json.dumps(asdict(self), indent=1) + "\n", sync)

    @classmethod
    def read(cls, job_dir: Path) -> TrainingPlan | None:
        """The plan in a job's folder; None when there is none, or it cannot be read."""
        try:
            values = read_record(job_dir / PLAN_FILE)
            require_arguments(values, _given_plan, "the plan")
            return _given_plan(**values)
        except (OSError, JobUnreadable):
            return None


def is_among(column: str, outputs: Collection[str]) -> bool:
    """Whether a column is one of the outputs, or a value of one: `NAME[0]`."""
    return column in outputs or re.sub(r"\[\d+\]$", "", column) in outputs


def _given_plan(
    max_iter: Count,
    epoch_iterations: Count,
    train_images: int,
    train_batch_size: int,
    val_images: int,
    val_batch_size: int,
    accuracies: list[str],
    main_accuracy: str = "",
    main_loss: str = "",
    output: str = "",
    batch_accumulation: Count = 1,
) -> TrainingPlan:
    """A plan as its file holds it."""
    return TrainingPlan(
        max_iter, epoch_iterations, train_images, train_batch_size, val_images, val_batch_size,
        tuple(accuracies), main_accuracy, main_loss, output, batch_accumulation,
    )  # fmt: skip
