"""Caffe's six update rules, over all parameters at once.

In: parameters, their summed gradients, the solver's history.  Out: the same tensors, changed in
place; like Caffe's diff blobs, the gradients hold the subtracted update afterwards.

A rule is a few `torch._foreach` operations over a list of tensors.  The lists are cut into blocks
that stay in the processor's cache from the first operation of a rule to the last: with parameters
of a few hundred megabytes, the reading and writing of memory is all that an update costs.
For three rules PyTorch has a kernel that does all of it in one pass, in a third of the time, where
nobody wants to see the update (`fused`); torch.optim's formulas become Caffe's by what they are
given.

Sources: sgd_solver.cpp, nesterov_solver.cpp, adagrad_solver.cpp, rmsprop_solver.cpp,
adadelta_solver.cpp, adam_solver.cpp.  They differ from torch.optim's: momentum holds steps that the
learning rate has already scaled, and delta stands in other places.
Elsewhere: the order of clipping, dividing by iter_size and updating (`solver.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from digits.caffe.errors import SolverError
from digits.caffe.proto.caffe_pb2 import SolverParameter

Tensors = list[torch.Tensor]

# Elements in a block: parameters, gradients and two histories of it fit into 2 cores' L2 cache.
# A GPU takes all at once: there each operation costs a launch.
BLOCK = 1 << 17


@dataclass(frozen=True)
class Step:
    """What a rule needs to know of this iteration.

    `rates` are local learning rates (base rate times lr_mult), one a tensor of the block.
    """

    rates: list[float]
    iteration: int
    param: SolverParameter


Rule = Callable[[Tensors, list[Tensors], Step], None]


def sgd(grads: Tensors, history: list[Tensors], step: Step) -> None:
    """h = momentum * h + rate * g;  update h."""
    (h,) = history
    torch._foreach_mul_(grads, step.rates)
    torch._foreach_add_(grads, h, alpha=step.param.momentum)
    torch._foreach_copy_(h, grads)


def nesterov(grads: Tensors, history: list[Tensors], step: Step) -> None:
    """h' = momentum * h + rate * g;  update (1 + momentum) * h' - momentum * h."""
    (h,) = history
    momentum = step.param.momentum
    torch._foreach_mul_(grads, step.rates)
    torch._foreach_mul_(h, momentum)
    torch._foreach_add_(grads, h)  # h', while h still holds momentum * h
    update = torch._foreach_mul(grads, 1 + momentum)
    torch._foreach_sub_(update, h)
    torch._foreach_copy_(h, grads)
    torch._foreach_copy_(grads, update)


def adagrad(grads: Tensors, history: list[Tensors], step: Step) -> None:
    """h = h + g^2;  update rate * g / (sqrt(h) + delta)."""
    (h,) = history
    torch._foreach_addcmul_(h, grads, grads)
    _divide_by_root(grads, h, step)


def rmsprop(grads: Tensors, history: list[Tensors], step: Step) -> None:
    """h = decay * h + (1 - decay) * g^2;  update rate * g / (sqrt(h) + delta)."""
    (h,) = history
    decay = step.param.rms_decay
    torch._foreach_mul_(h, decay)
    torch._foreach_addcmul_(h, grads, grads, value=1 - decay)
    _divide_by_root(grads, h, step)


def adadelta(grads: Tensors, history: list[Tensors], step: Step) -> None:
    """Two histories, of gradients (h) and of updates (u), that decay by momentum.

    h = m * h + (1 - m) * g^2;  v = g * sqrt((u + delta) / (h + delta));
    u = m * u + (1 - m) * v^2;  update rate * v.
    """
    h, u = history
    momentum, delta = step.param.momentum, step.param.delta
    torch._foreach_mul_(h, momentum)
    torch._foreach_addcmul_(h, grads, grads, value=1 - momentum)
    ratio = torch._foreach_add(u, delta)
    torch._foreach_div_(ratio, torch._foreach_add(h, delta))
    torch._foreach_sqrt_(ratio)
    torch._foreach_mul_(grads, ratio)
    torch._foreach_mul_(u, momentum)
    torch._foreach_addcmul_(u, grads, grads, value=1 - momentum)
    torch._foreach_mul_(grads, step.rates)


def adam(grads: Tensors, history: list[Tensors], step: Step) -> None:
    """m and v decay by momentum and momentum2, t = iteration + 1;

    update rate * sqrt(1 - momentum2^t) / (1 - momentum^t) * m / (sqrt(v) + delta).
    """
    m, v = history
    beta1, beta2, t = step.param.momentum, step.param.momentum2, step.iteration + 1
    torch._foreach_mul_(m, beta1)
    torch._foreach_add_(m, grads, alpha=1 - beta1)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, grads, grads, value=1 - beta2)
    root = torch._foreach_sqrt(v)
    torch._foreach_add_(root, step.param.delta)
    torch._foreach_copy_(grads, m)
    torch._foreach_div_(grads, root)
    correction = math.sqrt(1 - beta2**t) / (1 - beta1**t)
    torch._foreach_mul_(grads, [rate * correction for rate in step.rates])


def _divide_by_root(grads: Tensors, h: Tensors, step: Step) -> None:
    root = torch._foreach_sqrt(h)
    torch._foreach_add_(root, step.param.delta)
    torch._foreach_div_(grads, root)
    torch._foreach_mul_(grads, step.rates)


@dataclass(frozen=True)
class FusedStep:
    """What a fused kernel needs to know: one rate and one weight decay (L2) for all its tensors."""

    rate: float
    decay: float
    iteration: int
    param: SolverParameter


Fused = Callable[[Tensors, Tensors, list[Tensors], FusedStep], None]


def fused_sgd(params: Tensors, grads: Tensors, history: list[Tensors], step: FusedStep) -> None:
    """PyTorch: h = momentum * h + (1 - dampening) * g; w -= lr * h.  So lr is 1 here."""
    torch._fused_sgd_(
        params, grads, history[0], weight_decay=step.decay, momentum=step.param.momentum, lr=1.0,
        dampening=1 - step.rate, nesterov=False, maximize=False, is_first_step=False,
    )  # fmt: skip


def fused_adagrad(params: Tensors, grads: Tensors, history: list[Tensors], step: FusedStep) -> None:
    """PyTorch's formula is Caffe's."""
    steps = [torch.ones((), device=params[0].device)] * len(params)  # read only
    torch._fused_adagrad_(
        params, grads, history[0], steps, lr=step.rate, lr_decay=0.0, weight_decay=step.decay,
        eps=step.param.delta, maximize=False,
    )  # fmt: skip


def fused_adam(params: Tensors, grads: Tensors, history: list[Tensors], step: FusedStep) -> None:
    """PyTorch: w -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps).

    With delta / sqrt(1 - b2^t) for eps, that is Caffe's.
    """
    t = step.iteration + 1
    steps = [torch.full((), float(t), device=params[0].device)] * len(params)  # read only
    torch._fused_adam_(
        params, grads, history[0], history[1], [], steps, lr=step.rate, beta1=step.param.momentum,
        beta2=step.param.momentum2, weight_decay=step.decay,
        eps=step.param.delta / math.sqrt(1 - step.param.momentum2**t), amsgrad=False,
        maximize=False,
    )  # fmt: skip


@dataclass(frozen=True)
class RuleType:
    """A rule, how many lists of history it keeps, and what it refuses in the solver's fields."""

    rule: Rule
    histories: int
    check: Callable[[SolverParameter], str | None] = lambda param: None
    fused: Fused | None = None


def _no_momentum(param: SolverParameter) -> str | None:
    if param.momentum != 0:
        return f"momentum cannot be used with {param.type}, received {param.momentum:g}"
    return None


def _rms_decay(param: SolverParameter) -> str | None:
    if not 0 <= param.rms_decay < 1:
        return f"rms_decay should lie between 0 and 1, received {param.rms_decay:g}"
    return _no_momentum(param)


RULES: dict[str, RuleType] = {
    "SGD": RuleType(sgd, 1, fused=fused_sgd),
    "Nesterov": RuleType(nesterov, 1),
    "AdaGrad": RuleType(adagrad, 1, _no_momentum, fused_adagrad),
    "RMSProp": RuleType(rmsprop, 1, _rms_decay),
    "AdaDelta": RuleType(adadelta, 2),
    "Adam": RuleType(adam, 2, fused=fused_adam),
}


def regularize(params: Tensors, grads: Tensors, decays: list[float], kind: str) -> None:
    """Add weight decay to the gradients: decay * w for L2, decay * sign(w) for L1.

    `decays` are weight_decay times decay_mult.  Raises SolverError for another `kind`.
    """
    if not any(decays):
        return
    if kind == "L2":
        torch._foreach_add_(grads, torch._foreach_mul(params, decays))
    elif kind == "L1":
        torch._foreach_add_(grads, torch._foreach_mul(torch._foreach_sign(params), decays))
    else:
        raise SolverError(f"Unknown regularization type: {kind} (known types: L1, L2)")


def l2_norm(grads: Tensors) -> float:
    """The norm of all gradients as one vector."""
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))))


@dataclass(frozen=True)
class Block:
    """Pieces of tensors that are updated together; `of` says of which parameter each is."""

    of: list[int]
    params: Tensors
    grads: Tensors
    history: list[Tensors]


def blocks(
    params: Sequence[torch.Tensor],
    grads: Sequence[torch.Tensor],
    history: Sequence[Sequence[torch.Tensor]],
    size: int = BLOCK,
) -> Iterator[Block]:
    """Cut parallel lists of tensors into blocks of about `size` elements.

    Tensors of one place have one shape.  Large ones are cut along their memory, provided that all
    of that place lie in memory in the same order; small ones share a block.
    """
    pending: list[tuple[int, list[torch.Tensor]]] = []
    filled = 0
    for index, group in enumerate(zip(params, grads, *history, strict=True)):
        for pieces in _pieces(group, size):
            pending.append((index, pieces))
            filled += pieces[0].numel()
            if filled >= size:
                yield _block(pending)
                pending, filled = [], 0
    if pending:
        yield _block(pending)


def _pieces(group: tuple[torch.Tensor, ...], size: int) -> Iterator[list[torch.Tensor]]:
    flat = _flat(group) if group[0].numel() > size else None
    if flat is None:
        yield list(group)
        return
    for pieces in zip(*(torch.split(tensor, size) for tensor in flat), strict=True):
        yield list(pieces)


def _flat(group: tuple[torch.Tensor, ...]) -> list[torch.Tensor] | None:
    """One-dimensional views in a common order of elements, or None where there is none."""
    if any(tensor.stride() != group[0].stride() for tensor in group):
        return None
    if group[0].is_contiguous():
        return [tensor.view(-1) for tensor in group]
    if group[0].is_contiguous(memory_format=torch.channels_last):
        return [tensor.permute(0, 2, 3, 1).reshape(-1) for tensor in group]
    return None


def _block(pending: list[tuple[int, list[torch.Tensor]]]) -> Block:
    columns = [list(column) for column in zip(*(pieces for _, pieces in pending), strict=True)]
    return Block([index for index, _ in pending], columns[0], columns[1], columns[2:])
