"""Run a net forward: the loop over its layers, and what its two ways of running share.

A net runs in one of two ways, and each has its own backward pass:
- Blobs kept (`kept_passes.py`): scripts look at each blob's `data` and `diff`, and change them.
- Blobs not kept (`lean_passes.py`): training and inference, in less time and memory.

In: the `Parts` of a net.  Elsewhere: how they are made (`building.py`), what users call (`net.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from digits.caffe.errors import CaffeError
from digits.caffe.layers.base import Check, LayerContext
from digits.caffe.machine.device import out_of_memory
from digits.caffe.nets.building import reshape_tops
from digits.caffe.nets.debug_info import DebugInfo
from digits.caffe.nets.gradients import refused_gradient
from digits.caffe.nets.nodes import Node, Parts
from digits.caffe.nets.verdict import Verdict

Callback = Callable[[int], None]


@dataclass
class Hooks:
    """What is called while layers run; it stays when a net changes the way in which it runs.

    The lists hold what scripts want to be called with the index of a layer before and after it
    runs.  `debug_info` logs the mean of every blob and gradient, and needs the blobs kept.
    """

    before_forward: list[Callback] = field(default_factory=list)
    after_forward: list[Callback] = field(default_factory=list)
    before_backward: list[Callback] = field(default_factory=list)
    after_backward: list[Callback] = field(default_factory=list)
    debug_info: DebugInfo | None = None


class Passes(ABC):
    """The passes over one net.

    `keeps_blobs` says whether all blobs can be looked at and changed between layers.
    """

    keeps_blobs: ClassVar[bool]

    def __init__(self, parts: Parts, context: LayerContext, hooks: Hooks) -> None:
        self._parts = parts
        self._blobs = parts.blobs
        self._context = context
        self._hooks = hooks
        self._arrays_are_copies = context.device.type != "cpu"
        # What layers have left to be checked, of the last forward pass.
        self.checks: list[Check] = []
        # Why there is no backward pass, if there is none.
        self._refusal = refused_gradient(parts)

    def forward(self, start: int, end: int) -> torch.Tensor:
        """Run layers `start` to `end`, both included; the sum of their weighted losses (a scalar).

        Raises LayerError for what a layer cannot run; on a GPU, `checks` are left to be looked at.
        """
        nodes = self._parts.nodes[start : end + 1]
        self.flush_params()
        losses: list[torch.Tensor] = []
        # Once for all layers, as far as they agree: switching takes as long as a small layer.
        with torch.set_grad_enabled(any(self._makes_graph(node) for node in nodes)):
            for index, node in enumerate(nodes, start):
                for callback in self._hooks.before_forward:
                    callback(index)
                if not node.joined:
                    self._forward_node(node, losses)
                if self._hooks.debug_info:
                    self._hooks.debug_info.forward(node)
                for callback in self._hooks.after_forward:
                    callback(index)
        if self._arrays_are_copies:
            self.checks = [node.layer.check for node in nodes if node.layer.check is not None]
        return _total(losses, self._context)

    def verdict(self, loss: torch.Tensor) -> Verdict:
        """The loss that `forward` answered, as the host gets to know it."""
        return Verdict(loss, self.checks)

    def settle_checks(self, loss: torch.Tensor) -> None:
        """Look at what layers have left to be checked, if anything; raises LayerError."""
        if self.checks:
            self.verdict(loss).loss()

    @abstractmethod
    def backward(self, start: int, end: int) -> None:
        """Run layers `start` down to `end`, both included; adds to the parameters' gradients.

        Raises NetError for a gradient that a layer refuses.
        """

    def run_alone(self, node: Node) -> None:
        """Run one layer forward on what its bottoms hold; what it adds to the loss is dropped."""
        self._forward_node(node, [])

    def flush_params(self) -> None:
        """Bring the device up to date with what was written into parameters' arrays."""
        if self._arrays_are_copies:
            for blob in self._parts.learnable:
                blob.flush()

    def show_params(self) -> None:
        """Bring arrays of parameters that somebody holds up to date with the device."""
        if self._arrays_are_copies:
            for blob in self._parts.learnable:
                blob.show()

    def reshape(self) -> None:
        """Give all blobs the shapes that follow from those of the inputs."""
        for node in self._parts.nodes:
            node.bottom_shapes = [torch.Size(self._blobs[i].shape) for i in node.bottoms]
            reshape_tops(node, self._blobs)

    @abstractmethod
    def _makes_graph(self, node: Node) -> bool:
        """Whether the layer's forward pass is recorded for a backward pass."""

    @abstractmethod
    def _compute(self, node: Node, bottoms: list[torch.Tensor], losses: list[torch.Tensor]) -> None:
        """Run a layer on its bottoms, and hand what it answers to `_take_tops`."""

    def _forward_node(self, node: Node, losses: list[torch.Tensor]) -> None:
        bottoms = [self._blobs[i].tensor() for i in node.bottoms]
        self._fit_tops(node, bottoms)
        self._compute(node, bottoms, losses)

    def _fit_tops(self, node: Node, bottoms: list[torch.Tensor]) -> None:
        """Reshape the tops where the bottoms have other shapes than in the last pass."""
        shapes = [bottom.shape for bottom in bottoms]
        if shapes != node.bottom_shapes:
            node.bottom_shapes = shapes
            reshape_tops(node, self._blobs)

    def _run(
        self, node: Node, bottoms: list[torch.Tensor], graph: bool
    ) -> Sequence[torch.Tensor | None]:
        try:
            if graph == torch.is_grad_enabled():
                return node.layer.forward(bottoms)
            with torch.set_grad_enabled(graph):
                return node.layer.forward(bottoms)
        except RuntimeError as err:
            raise explained(node, err) from err

    def _take_tops(
        self, node: Node, tops: Sequence[torch.Tensor | None], losses: list[torch.Tensor]
    ) -> None:
        """Put what a layer answered into its tops, and its part of the loss into `losses`."""
        for top, weight, tensor in zip(node.tops, node.loss_weights, tops, strict=True):
            blob = self._blobs[top]
            if tensor is not None:
                blob.assign(tensor)
            elif blob.tensor().requires_grad:
                # An in-place layer left the last pass's graph behind.
                blob.assign(blob.tensor().detach())
            if weight:
                losses.append(_weighted(blob.tensor(), weight))


def explained(node: Node, err: RuntimeError) -> RuntimeError:
    """PyTorch's error with the layer's name; what the layer itself raises says enough."""
    if isinstance(err, torch.OutOfMemoryError):
        return node.layer.error(out_of_memory(node.layer.context.device))
    if isinstance(err, CaffeError) or node.layer.runs_foreign_code:
        return err
    return node.layer.error(f"failed: {err}")


def _weighted(top: torch.Tensor, weight: float) -> torch.Tensor:
    total = top.sum() if top.dim() else top
    return total if weight == 1 else total * weight


def _total(losses: list[torch.Tensor], context: LayerContext) -> torch.Tensor:
    if not losses:
        return torch.zeros((), device=context.device, dtype=context.dtype)
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return total
