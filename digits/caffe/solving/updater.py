"""The update of a net's parameters by a solver's rule, with the history that the rule keeps.

In: the gradients that the passes left with the parameters, summed over iter_size passes.  Out:
changed parameters; if asked for, the gradients then hold the update, as Caffe's diff blobs do.
The order is Caffe's: clip, divide by iter_size, weight decay, rule.  Source: sgd_solver.cpp.
Elsewhere: the formulas (`updates.py`), the learning rate (`lr_policy.py`).
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from digits.caffe.blob import ParamBlob
from digits.caffe.errors import SolverError
from digits.caffe.machine.log import at, number
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.updates import (
    BLOCK,
    RULES,
    Fused,
    FusedStep,
    Step,
    Tensors,
    blocks,
    l2_norm,
    regularize,
)

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

# Parameters of so many values (4 MB) are updated early where that is possible.
_LARGE = 1 << 20
# Below, the kernel for SGD would round the rate.
_LEAST_FUSED_RATE = 1e-8
# Rules whose history and update are zero wherever the learning rate is.
_STILL_AT_RATE_ZERO = ("SGD", "Nesterov")


class Updater:
    """Updates the learnable parameters of one net."""

    def __init__(self, net: Net, param: SolverParameter, keep_updates: bool) -> None:
        """`keep_updates`: the gradients are to hold the update afterwards, as Caffe's diffs do.

        Raises SolverError for settings that the rule refuses.
        """
        self._rule = RULES[param.type]
        problem = self._rule.check(param)
        if problem:
            raise SolverError(problem)
        self._net = net
        self._param = param
        self._blobs: list[ParamBlob] = net.learnable_blobs
        self._decays = [param.weight_decay * mult for mult in net.decay_mults]
        leaves = [blob.leaf for blob in self._blobs]
        self._history: list[Tensors] = [
            [torch.zeros_like(leaf, requires_grad=False) for leaf in leaves]
            for _ in range(self._rule.histories)
        ]
        self._early = _EarlyUpdates(leaves)
        self._fused = None if keep_updates else self._fused_rule()
        self._groups: dict[tuple[float, float], list[int]] = {}
        for index, key in enumerate(zip(net.lr_mults, self._decays, strict=True)):
            self._groups.setdefault(key, []).append(index)

    @torch.no_grad()
    def apply(self, rate: float, iteration: int) -> None:
        """Update all parameters once, with the learning rate `rate`."""
        self._clip()
        self._update([i for i in self._changing() if i not in self._early.done], rate, iteration)
        self._early.done.clear()

    def update_early(self, rate: float, iteration: int) -> AbstractContextManager[None]:
        """Run the backward pass in this, so that large parameters are updated on the way.

        Only where nobody wants to see the gradients, and each is complete after one pass: their
        memory is used again for the gradients that come after them.
        """
        return self._early.during(lambda index: self._update([index], rate, iteration))

    def _update(self, chosen: Iterable[int], rate: float, iteration: int) -> None:
        left = set(chosen)
        if self._fused is not None and rate > _LEAST_FUSED_RATE:
            for (mult, decay), members in self._groups.items():
                step = FusedStep(rate * mult, decay, iteration, self._param)
                self._update_fused([i for i in members if i in left], step)
        else:
            self._update_in_blocks(sorted(left), rate, iteration)

    def _update_fused(self, chosen: list[int], step: FusedStep) -> None:
        if not chosen:
            return
        assert self._fused is not None  # noqa: S101  # the caller's condition
        grads = [self._gradient(i) for i in chosen]
        if self._param.iter_size > 1:
            torch._foreach_mul_(grads, 1 / self._param.iter_size)
        params = [self._blobs[i].leaf for i in chosen]
        self._fused(params, grads, [[kind[i] for i in chosen] for kind in self._history], step)

    def _update_in_blocks(self, chosen: list[int], rate: float, iteration: int) -> None:
        params = [self._blobs[i].leaf for i in chosen]
        grads = [self._gradient(i) for i in chosen]
        history = [[kind[i] for i in chosen] for kind in self._history]
        rates = [rate * self._net.lr_mults[i] for i in chosen]
        decays = [self._decays[i] for i in chosen]
        on_host = bool(params) and params[0].device.type == "cpu"
        for block in blocks(params, grads, history, BLOCK if on_host else sys.maxsize):
            if self._param.iter_size > 1:
                torch._foreach_mul_(block.grads, 1 / self._param.iter_size)
            block_decays = [decays[i] for i in block.of]
            regularize(block.params, block.grads, block_decays, self._param.regularization_type)
            step = Step([rates[i] for i in block.of], iteration, self._param)
            self._rule.rule(block.grads, block.history, step)
            torch._foreach_sub_(block.params, block.grads)

    def gradients(self) -> Tensors:
        """The gradients of all learnable parameters, zeros where there is none."""
        return [self._gradient(i) for i in range(len(self._blobs))]

    def history(self) -> list[Floats]:
        """The history as a solver state holds it: one array a parameter, list after list."""
        return [tensor.contiguous().cpu().numpy() for kind in self._history for tensor in kind]

    def restore(self, history: list[Floats]) -> None:
        """Take over the history of a solver state; SolverError if it is that of another net."""
        tensors = [tensor for kind in self._history for tensor in kind]
        if len(history) != len(tensors):
            raise SolverError(
                f"Incorrect length of history blobs: the solver state has {len(history)}, this net "
                f"with solver type {self._param.type} needs {len(tensors)}; it is of another net "
                "or another solver type"
            )
        for index, (array, tensor) in enumerate(zip(history, tensors, strict=True)):
            if array.shape != tuple(tensor.shape):
                raise SolverError(
                    f"history blob {index} of the solver state has the shape {array.shape}, this "
                    f"net needs {tuple(tensor.shape)}; the state is of another net"
                )
            tensor.copy_(torch.from_numpy(array))

    def _fused_rule(self) -> Fused | None:
        """PyTorch's kernel for this rule, where it does what Caffe does with these settings."""
        plain_decay = not any(self._decays) or self._param.regularization_type == "L2"
        # Without momentum it keeps no history, which a solver state needs.
        keeps_history = self._param.type != "SGD" or self._param.momentum != 0
        return self._rule.fused if plain_decay and keeps_history else None

    def _clip(self) -> None:
        limit = self._param.clip_gradients
        if limit < 0:
            return
        grads = [blob.leaf.grad for blob in self._blobs if blob.leaf.grad is not None]
        norm = l2_norm(grads) if grads else 0.0
        if norm > limit:
            factor = limit / norm
            log.info(
                "Gradient clipping: scaling down gradients (L2 norm %s > %s) by scale factor %s",
                number(norm), number(limit), number(factor), extra=at("sgd_solver.cpp:99"),
            )  # fmt: skip
            torch._foreach_mul_(grads, factor)
        elif math.isnan(norm):
            log.warning("the L2 norm of the gradients is nan; they are not clipped")

    def _changing(self) -> list[int]:
        """The parameters that an update can change, or whose history it can."""
        if self._param.type not in _STILL_AT_RATE_ZERO:
            return [
                i
                for i, blob in enumerate(self._blobs)
                if self._net.lr_mults[i] or self._decays[i] or blob.leaf.grad is not None
            ]
        return [i for i in range(len(self._blobs)) if self._net.lr_mults[i]]

    def _gradient(self, index: int) -> torch.Tensor:
        blob = self._blobs[index]
        return blob.diff_tensor() if blob.leaf.grad is None else blob.leaf.grad


class _EarlyUpdates:
    """Calls an update for each large parameter as soon as its gradient is complete, and drops it.

    `done` says which parameters were updated so.
    """

    def __init__(self, leaves: Tensors) -> None:
        self.done: set[int] = set()
        self._run: Callable[[int], None] | None = None
        for index, leaf in enumerate(leaves):
            if leaf.numel() >= _LARGE and leaf.requires_grad:
                hook = partial(self._hook, index)
                leaf.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]

    @contextmanager
    def during(self, run: Callable[[int], None]) -> Iterator[None]:
        """Update early within this block."""
        self._run = run
        try:
            yield
        finally:
            self._run = None

    @torch.no_grad()
    def _hook(self, index: int, leaf: torch.Tensor) -> None:
        if self._run is not None:
            self._run(index)
            leaf.grad = None
            self.done.add(index)
