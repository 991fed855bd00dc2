"""The settings of an imported job: what its files tell, and the defaults for the rest."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.training.solver import SOLVER_TYPES, LearningRate


def dataset_settings(
    *,
    channels: int,
    height: int,
    width: int,
    resize_mode: str,
    encoding: str,
    splits: Collection[str],
    imported_from: str,
) -> ImageClassificationDatasetSettings:
    """The settings of a dataset whose databases hold pictures of height x width pixels."""
    return ImageClassificationDatasetSettings(
        # Its databases are there already; a text file for each is the nearest to how they were
        # made.
        method="textfile",
        seed=0,
        resize_channels="3" if channels == 3 else "1",
        resize_height=height,
        resize_width=width,
        resize_mode=resize_mode,
        encoding=encoding,
        textfile_use_val="val" in splits,
        textfile_use_test="test" in splits,
        imported_from=imported_from,
    )


def model_settings(
    solver: SolverParameter,
    epoch_iterations: int,
    *,
    dataset: str,
    batch_size: int,
    crop_size: int | None,
    use_mean: bool,
    use_gpu: bool,
    imported_from: str,
) -> ImageClassificationModelSettings:
    """The settings that would have made `solver`, whose type is in the current form."""
    names = {caffe_name: name for name, caffe_name in SOLVER_TYPES.items()}
    rate = learning_rate(solver)
    return ImageClassificationModelSettings(
        **{each.name: getattr(rate, each.name) for each in fields(rate)},
        method="custom",
        dataset=dataset,
        train_epochs=max(1, round(solver.max_iter / epoch_iterations)),
        snapshot_interval=round(solver.snapshot / epoch_iterations, 6),
        val_interval=round(solver.test_interval / epoch_iterations, 6),
        random_seed=solver.random_seed if solver.random_seed >= 0 else None,
        batch_size=batch_size,
        solver_type=names.get(solver.type, "SGD"),
        crop_size=crop_size,
        use_mean=use_mean,
        use_gpu=use_gpu,
        imported_from=imported_from,
    )


def learning_rate(solver: SolverParameter) -> LearningRate:
    """The learning rate in the form's units, percent of the training, from Caffe's iterations."""
    scale = max(1, solver.max_iter) / 100  # iterations in one percent
    of_policy: dict[str, dict[str, Any]] = {
        "step": {
            "lr_step_size": _rounded(solver.stepsize / scale),
            "lr_step_gamma": _rounded(solver.gamma),
        },
        "multistep": {
            "lr_multistep_values": tuple(_rounded(value / scale) for value in solver.stepvalue),
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
    return LearningRate(_rounded(solver.base_lr), policy, **of_policy.get(policy, {}))


def _rounded(value: float) -> float:
    """Without what single precision has added."""
    return float(f"{value:.6g}")
