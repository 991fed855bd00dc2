"""From a solver back to the fields of the form that would have made it.

In: the solver of a training that was set up elsewhere, its type in the current form.  Out: options
in epochs and percent.  Elsewhere: the other way (`solver.py`).
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.model.training.solver import (
    BALANCED,
    SOLVER_FIELDS,
    SOLVER_TYPES,
    UNWEIGHTED,
    USUAL,
    LearningRate,
    SolverOptions,
)


def options_of(solver: SolverParameter, epoch_iterations: int) -> SolverOptions:
    """The options that would make `solver` where an epoch has so many iterations.

    Raises OverflowError or ValueError for numbers that no form could hold.
    """
    names = {caffe_name: name for name, caffe_name in SOLVER_TYPES.items()}
    return SolverOptions(
        **asdict(learning_rate(solver)),
        train_epochs=max(1, round(solver.max_iter / epoch_iterations)),
        lr_warmup=round(solver.lr_warmup / epoch_iterations, 6),
        snapshot_interval=round(solver.snapshot / epoch_iterations, 6),
        val_interval=round(solver.test_interval / epoch_iterations, 6),
        random_seed=solver.random_seed if solver.random_seed >= 0 else None,
        solver_type=names.get(solver.type, "SGD"),
        batch_accumulation=solver.iter_size if solver.iter_size > 1 else None,
        clip_gradients=_rounded(solver.clip_gradients) if solver.clip_gradients > 0 else None,
        label_smoothing=_rounded(solver.label_smoothing),
        class_weights=BALANCED if solver.class_weight else UNWEIGHTED,
        **_unusual(solver, names.get(solver.type, "SGD")),
    )


def _unusual(solver: SolverParameter, solver_type: str) -> dict[str, Any]:
    """The numbers beside the rate that are not the usual ones."""
    read = {name: _rounded(getattr(solver, name)) for name in SOLVER_FIELDS[solver_type]}
    read["weight_decay"] = _rounded(solver.weight_decay)
    return {name: value for name, value in read.items() if value != USUAL[name]}


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
        "cosine": {},
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
