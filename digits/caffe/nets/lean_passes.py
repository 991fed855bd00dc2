"""Run a net that trains or infers, and whose blobs nobody looks at.

One autograd graph goes over all layers; a blob's memory is free again as soon as neither a later
layer nor autograd needs it, and neighbouring layers may run as one (`joining.py`).

Elsewhere: the loop over the layers (`passes.py`).
"""

from __future__ import annotations

import torch

from digits.caffe.errors import NetError
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.nets.joining import join_layers
from digits.caffe.nets.nodes import Node, Parts
from digits.caffe.nets.passes import Hooks, Passes


class LeanPasses(Passes):
    """The passes over a net that does not keep its blobs.

    With `join`, layers that can run as one do; not where blobs were kept before, which run one by
    one for good.
    """

    keeps_blobs = False

    def __init__(self, parts: Parts, context: LayerContext, hooks: Hooks, *, join: bool) -> None:
        super().__init__(parts, context, hooks)
        self._loss: torch.Tensor | None = None  # of the last forward pass, with its graph
        if join:
            join_layers(parts)

    def forward(self, start: int, end: int) -> torch.Tensor:
        self._loss = None
        self._loss = super().forward(start, end)
        return self._loss

    def backward(self, start: int, end: int) -> None:
        """Run all layers backward; adds to the parameters' gradients.

        Raises NetError for a part of the net, without a forward pass before it, and for a gradient
        that a layer refuses.
        """
        if self._refusal:
            raise NetError(self._refusal)
        self.flush_params()
        if start != len(self._parts.nodes) - 1 or end != 0:
            raise NetError("a net that does not keep its blobs runs backward only as a whole.")
        if self._loss is None:
            raise NetError("the backward pass needs a forward pass before it.")
        if self._loss.requires_grad:
            self._loss.backward()  # type: ignore[no-untyped-call]
        self._loss = None
        self.show_params()

    def _makes_graph(self, node: Node) -> bool:
        return node.needs_backward and self._context.phase is Phase.TRAIN

    def _compute(self, node: Node, bottoms: list[torch.Tensor], losses: list[torch.Tensor]) -> None:
        graph = self._makes_graph(node)
        if graph and not all(node.bottom_needs):
            bottoms = [
                bottom if needed else bottom.detach()
                for bottom, needed in zip(bottoms, node.bottom_needs, strict=True)
            ]
        self._take_tops(node, self._run(node, bottoms, graph), losses)
        for blob in node.last_uses:
            self._blobs[blob].release()
