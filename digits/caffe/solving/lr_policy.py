"""Caffe's learning-rate policies: what the rate is at an iteration.

In: a SolverParameter and an iteration.  Out: the rate, in float32 as Caffe has it, and the step
that the `multistep` and `step` policies are in.  Imports neither torch nor the rest of the engine,
so that a form can draw the curve that a training will follow.

Source: SGDSolver::GetLearningRate in sgd_solver.cpp.  Differences: `sigmoid` takes a negative gamma
(a rate that falls), which Caffe refuses; `cosine`, which Caffe does not know (and says so), is that
of PyTorch's CosineAnnealingLR with a last rate of 0; a warm-up of `lr_warmup` iterations, a field
that Caffe does not know either, is PyTorch's LinearLR on top of the policy.
"""

from __future__ import annotations

import ctypes
import difflib
import math
from collections.abc import Callable

from digits.caffe.errors import SolverError
from digits.caffe.proto.caffe_pb2 import SolverParameter

_Policy = Callable[[SolverParameter, int, int], float]


def learning_rate(param: SolverParameter, iteration: int, step: int | None = None) -> float:
    """The rate at `iteration` (0 is the first).

    `step` is the step that `multistep` has reached; without it, every step value at or before
    `iteration` counts, which is the same as long as no two of them lie in one iteration.
    Raises SolverError for an unknown policy, a negative gamma or a stepsize below 1.
    """
    policy = _POLICIES.get(param.lr_policy)
    if policy is None:
        near = difflib.get_close_matches(param.lr_policy, _POLICIES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SolverError(
            f"Unknown learning rate policy: {param.lr_policy} "
            f"(known policies: {', '.join(sorted(_POLICIES))}).{hint}"
        )
    if step is None:
        step = current_step(param, iteration)
    rate = policy(param, iteration, step)
    if iteration < param.lr_warmup:
        # The first update is a small one, not none; the last of the warm-up has the whole rate.
        rate *= (iteration + 1) / param.lr_warmup
    return _float32(rate)


def current_step(param: SolverParameter, iteration: int, step: int | None = None) -> int:
    """The step that a solver is in at `iteration`; `step` is the one before it, if known.

    `multistep` goes one step further an iteration at most; other policies than `multistep` and
    `step` leave it alone.
    """
    if param.lr_policy == "step" and param.stepsize > 0:
        return iteration // param.stepsize
    if param.lr_policy != "multistep":
        return step or 0
    if step is None:
        return sum(iteration >= value for value in param.stepvalue)
    if step < len(param.stepvalue) and iteration >= param.stepvalue[step]:
        return step + 1
    return step


def _fixed(param: SolverParameter, iteration: int, step: int) -> float:
    return param.base_lr


def _step(param: SolverParameter, iteration: int, step: int) -> float:
    _check_stepsize(param)
    _check_gamma(param)
    # A power, not a running product: a resumed solver gets the same rate from `iteration` alone.
    return param.base_lr * _pow(param.gamma, iteration // param.stepsize)


def _exp(param: SolverParameter, iteration: int, step: int) -> float:
    _check_gamma(param)
    return param.base_lr * _pow(param.gamma, iteration)


def _inv(param: SolverParameter, iteration: int, step: int) -> float:
    _check_gamma(param)
    return param.base_lr * _pow(_float32(1 + param.gamma * iteration), -param.power)


def _multistep(param: SolverParameter, iteration: int, step: int) -> float:
    _check_gamma(param)
    return param.base_lr * _pow(param.gamma, step)


def _poly(param: SolverParameter, iteration: int, step: int) -> float:
    if param.max_iter <= 0:
        raise SolverError(f"lr_policy poly needs a max_iter above 0, received {param.max_iter}")
    return param.base_lr * _pow(_float32(1 - iteration / param.max_iter), param.power)


def _sigmoid(param: SolverParameter, iteration: int, step: int) -> float:
    _check_stepsize(param)
    exponent = -param.gamma * (iteration - param.stepsize)
    # Beyond this, exp() leaves float32 and the rate is 0.
    return param.base_lr / (1 + math.exp(exponent)) if exponent < 88 else 0.0


def _cosine(param: SolverParameter, iteration: int, step: int) -> float:
    if param.max_iter <= 0:
        raise SolverError(f"lr_policy cosine needs a max_iter above 0, received {param.max_iter}")
    done = min(1.0, iteration / param.max_iter)
    return param.base_lr * (1 + math.cos(math.pi * done)) / 2


_POLICIES: dict[str, _Policy] = {
    "fixed": _fixed,
    "step": _step,
    "exp": _exp,
    "inv": _inv,
    "multistep": _multistep,
    "poly": _poly,
    "cosine": _cosine,
    "sigmoid": _sigmoid,
}
POLICIES = tuple(_POLICIES)


def _check_gamma(param: SolverParameter) -> None:
    if param.gamma < 0:
        raise SolverError(
            f"lr_policy {param.lr_policy} needs a gamma of 0 or more, received {param.gamma:g}"
        )


def _check_stepsize(param: SolverParameter) -> None:
    if param.stepsize <= 0:
        raise SolverError(
            f"lr_policy {param.lr_policy} needs a stepsize above 0, received {param.stepsize}"
        )


def _pow(base: float, exponent: float) -> float:
    """C's pow(): nan and inf where Python raises."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan


def _float32(value: float) -> float:
    return ctypes.c_float(value).value
