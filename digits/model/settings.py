"""What any training was asked for, under the field names of its form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from digits.jobs.settings import JobSettings, optional
from digits.model.training.solver import SolverOptions


@dataclass(frozen=True, kw_only=True)
class ModelSettings(SolverOptions, JobSettings):
    """A dataset, a network to start from, a solver, and what it is trained on."""

    dataset: str  # its id
    # Where the network comes from; only what `method` reads counts.
    method: str = "standard"  # or "previous", "pretrained", "custom"
    standard_networks: str = "alexnet"
    previous_networks: str | None = None  # the id of a model
    previous_snapshot: float | None = None  # the epoch of its weights; 0: its network alone
    restart_outputs: bool = False  # do not keep its classifier, whatever the categories
    custom_network_snapshot: str | None = None  # weights, by their path on the server

    # Early stopping: epochs without a better validation (0: never), and what counts as better.
    early_stopping_patience: float = 0
    early_stopping_threshold: float = 0
    # How many of the last snapshots stay, beside the best; None: all.
    snapshots_kept: int | None = None

    # GPUs by index: the next that is free, one, some, or so many.
    select_gpu: str = "next"
    select_gpus: tuple[str, ...] = ()
    select_gpu_count: int | None = None

    # What the server had when the job was made.
    use_gpu: bool = False
    caffe_root: str = ""  # of a real Caffe; empty: our engine
    python_layers: bool = False  # whether they are allowed
    # Which layers took the weights that were given (`training/given_weights.py`).
    weights_report: dict[str, Any] | None = None
    previous_labels: tuple[str, ...] | None = optional()  # what the previous model tells apart
    # What is unusual about this training, said when it was made.
    warnings: tuple[str, ...] | None = optional()
    caffe_version: str | None = optional()  # of a real Caffe, known from the first attempt on
    imported_from: str | None = optional()  # the folder of a job of the original DIGITS
