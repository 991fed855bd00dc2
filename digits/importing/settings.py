"""The settings of an imported job: what its files tell, and the forms' defaults for the rest.

Keys are the forms' field names; a test compares them with the forms, which belong to the web.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.model.training.solver import SOLVER_TYPES
from digits.sources.picture_list import SPLITS

_DATASET_DEFAULTS: dict[str, Any] = {
    # Its databases are there already; a text file for each is the nearest to how they were made.
    "method": "textfile",
    "seed": 0,
    "backend": "lmdb",
    "max_skipped_pct": 50,
    "folder_pct_val": 25,
    "folder_pct_test": 0,
    "has_val_folder": False,
    "has_test_folder": False,
    "textfile_use_local_files": False,
    "textfile_local_labels_file": None,
    "textfile_shuffle": True,
    **{
        name.format(split): value
        for split in SPLITS
        for name, value in {
            "folder_{}": None,
            "folder_{}_min_per_class": 2,
            "folder_{}_max_per_class": None,
            "textfile_{}_folder": None,
            "textfile_local_{}_images": None,
        }.items()
    },
}
_RATE_DEFAULTS: dict[str, Any] = {
    "lr_step_size": 33,
    "lr_step_gamma": 0.1,
    "lr_multistep_values": [50.0, 85.0],
    "lr_multistep_gamma": 0.5,
    "lr_exp_gamma": 0.95,
    "lr_inv_gamma": 0.1,
    "lr_inv_power": 0.5,
    "lr_poly_power": 3,
    "lr_sigmoid_step": 50,
    "lr_sigmoid_gamma": 0.1,
}
_MODEL_DEFAULTS: dict[str, Any] = {
    "method": "custom",
    "standard_networks": "alexnet",
    "previous_networks": None,
    "previous_snapshot": None,
    "custom_network_snapshot": None,
    "random_seed": None,
    "mean_value": [],
    "scale": None,
    "mirror": "",
    "select_gpu": "next",
    "select_gpus": [],
    "select_gpu_count": None,
    "caffe_root": "",
    "weights_report": None,
}


def dataset_settings(
    *,
    channels: int,
    height: int,
    width: int,
    resize_mode: str,
    encoding: str,
    splits: Collection[str],
) -> dict[str, Any]:
    """The settings of a dataset whose databases hold pictures of height x width pixels."""
    return {
        **_DATASET_DEFAULTS,
        "resize_channels": str(channels),
        "resize_height": height,
        "resize_width": width,
        "resize_mode": resize_mode,
        "encoding": encoding,
        "textfile_use_val": "val" in splits,
        "textfile_use_test": "test" in splits,
    }


def model_settings(
    solver: SolverParameter,
    epoch_iterations: int,
    *,
    dataset: str,
    batch_size: int,
    crop_size: int | None,
    use_mean: bool,
    use_gpu: bool,
) -> dict[str, Any]:
    """The settings that would have made `solver`, whose type is in the current form."""
    names = {caffe_name: name for name, caffe_name in SOLVER_TYPES.items()}
    return {
        **_MODEL_DEFAULTS,
        **learning_rate_settings(solver),
        "dataset": dataset,
        "train_epochs": max(1, round(solver.max_iter / epoch_iterations)),
        "snapshot_interval": round(solver.snapshot / epoch_iterations, 6),
        "val_interval": round(solver.test_interval / epoch_iterations, 6),
        "random_seed": solver.random_seed if solver.random_seed >= 0 else None,
        "batch_size": batch_size,
        "solver_type": names.get(solver.type, "SGD"),
        "crop_size": crop_size,
        "use_mean": use_mean,
        "use_gpu": use_gpu,
    }


def learning_rate_settings(solver: SolverParameter) -> dict[str, Any]:
    """The learning rate in the form's units, percent of the training, from Caffe's iterations."""
    scale = max(1, solver.max_iter) / 100  # iterations in one percent
    of_policy: dict[str, dict[str, Any]] = {
        "step": {
            "lr_step_size": _rounded(solver.stepsize / scale),
            "lr_step_gamma": _rounded(solver.gamma),
        },
        "multistep": {
            "lr_multistep_values": [_rounded(value / scale) for value in solver.stepvalue],
            "lr_multistep_gamma": _rounded(solver.gamma),
        },
        "exp": {"lr_exp_gamma": _rounded(math.pow(abs(solver.gamma), scale))},
        "inv": {
            "lr_inv_gamma": _rounded(solver.gamma * scale),
            "lr_inv_power": _rounded(solver.power),
        },
        "poly": {"lr_poly_power": _rounded(solver.power)},
        "sigmoid": {
            "lr_sigmoid_step": _rounded(solver.stepsize / scale),
            "lr_sigmoid_gamma": _rounded(-solver.gamma * scale),
        },
    }
    policy = solver.lr_policy if solver.lr_policy in of_policy else "fixed"
    return {
        **_RATE_DEFAULTS,
        "learning_rate": _rounded(solver.base_lr),
        "lr_policy": policy,
        **of_policy.get(policy, {}),
    }


def _rounded(value: float) -> float:
    """Without what single precision has added."""
    return float(f"{value:.6g}")
