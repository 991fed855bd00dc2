"""Run a net whose blobs scripts look at and change, through pycaffe's interface.

Every layer has an autograd graph of its own between its bottoms and tops, so that each blob's
`data` and `diff` can be looked at and changed between layers, and the backward pass may start and
end anywhere, as in Caffe.

Elsewhere: the loop over the layers (`passes.py`), how changes are noticed (`net_blob.py`,
`replay.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge

from digits.caffe.errors import NetError
from digits.caffe.layers.base import LayerContext
from digits.caffe.nets import replay
from digits.caffe.nets.joining import part_layers
from digits.caffe.nets.nodes import LayerGraph, Node, Parts
from digits.caffe.nets.passes import Hooks, Passes, explained

_VIEWS = ("Split", "Flatten", "Reshape")


class KeptPasses(Passes):
    """The passes over a net that keeps its blobs; its layers run one by one for good."""

    keeps_blobs = True

    def __init__(self, parts: Parts, context: LayerContext, hooks: Hooks) -> None:
        part_layers(parts)
        super().__init__(parts, context, hooks)
        # What makes the tensors in layers' own graphs require a gradient.
        self._token = torch.zeros((), requires_grad=True)
        self._share_views()
        self._notice_edits()

    def forward(self, start: int, end: int) -> torch.Tensor:
        self._release(self._parts.nodes[start : end + 1], all_tops=start == 0)
        return super().forward(start, end)

    def backward(self, start: int, end: int) -> None:
        """Run layers `start` down to `end`, both included; adds to the parameters' gradients.

        It works with what the blobs hold, also without a forward pass before.
        Raises NetError for a gradient that a layer refuses.
        """
        if self._refusal:
            raise NetError(self._refusal)
        self.flush_params()
        self._release_gradients(start, end)
        for index in range(start, end - 1, -1):
            for callback in self._hooks.before_backward:
                callback(index)
            node = self._parts.nodes[index]
            if node.needs_backward:
                self._backward_node(node)
                if self._hooks.debug_info:
                    self._hooks.debug_info.backward(node)
            for callback in self._hooks.after_backward:
                callback(index)
        if self._hooks.debug_info:
            self._hooks.debug_info.totals()
        self.show_params()

    def _share_views(self) -> None:
        """Have blobs share memory where they do in Caffe."""
        last_writer = {top: node for node in self._parts.nodes for top in node.tops}
        for node in self._parts.nodes:
            if node.type in _VIEWS:
                for top in node.tops:
                    # What a later layer writes in place is not to change the bottom.
                    if last_writer[top] is node:
                        self._blobs[top].follow(self._blobs[node.bottoms[0]])

    def _notice_edits(self) -> None:
        """Have blobs notice what is written by hand, where a gradient depends on it."""
        for node in self._parts.nodes:
            if node.needs_backward:
                node.layer.remembers = True
                for blob in [*node.bottoms, *node.tops]:
                    self._blobs[blob].is_kept = True

    def _release(self, nodes: list[Node], all_tops: bool) -> None:
        """Let go of the last pass, so that this one can use its memory again."""
        for node in nodes:
            node.graph = None
            node.layer.memory = ()
            if all_tops and not node.layer.keeps_tops and not node.layer.in_place:
                for top in node.tops:
                    self._blobs[top].release()

    def _makes_graph(self, node: Node) -> bool:
        return node.needs_backward

    def _compute(self, node: Node, bottoms: list[torch.Tensor], losses: list[torch.Tensor]) -> None:
        if node.needs_backward:
            self._compute_with_graph(node, bottoms, losses)
        else:
            self._take_tops(node, self._run(node, bottoms, False), losses)

    def _compute_with_graph(
        self, node: Node, bottoms: list[torch.Tensor], losses: list[torch.Tensor]
    ) -> None:
        """Run a layer in an autograd graph of its own."""
        for blob in node.bottoms:
            self._blobs[blob].edits()  # what was written so far is what this layer reads
        if node.layer.in_place:
            # Whoever holds the array of the bottom is about to find the top in its memory.
            bottoms = [
                bottom.clone() if self._blobs[blob].is_watched() else bottom
                for blob, bottom in zip(node.bottoms, bottoms, strict=True)
            ]
        gradients, entered = self._entered(node, bottoms)
        tops = self._run(node, entered, True)
        graph = LayerGraph([_edge(top) for top in tops], gradients)
        self._take_tops(node, tops, losses)
        graph.sight = self._sight(node)
        node.graph = graph

    def _entered(
        self, node: Node, bottoms: list[torch.Tensor]
    ) -> tuple[list[torch.Tensor | None], list[torch.Tensor]]:
        """The bottoms at the border of a layer's own graph, and where their gradients will be."""
        gradients: list[torch.Tensor | None] = [None] * len(bottoms)
        # `data` and not `detach`: marking it as changed must not alarm the layer that made it.
        return gradients, [
            _enter(self._token, gradients, index, bottom.data) if needed else bottom.detach()
            for index, (bottom, needed) in enumerate(zip(bottoms, node.bottom_needs, strict=True))
        ]

    def _take_tops(
        self, node: Node, tops: Sequence[torch.Tensor | None], losses: list[torch.Tensor]
    ) -> None:
        super()._take_tops(node, [_without_graph(top) for top in tops], losses)

    def _release_gradients(self, start: int, end: int) -> None:
        """Let go of gradients that this pass writes before it reads them."""
        read: set[int] = set()
        written: set[int] = set()
        for index in range(start, end - 1, -1):
            node = self._parts.nodes[index]
            if node.needs_backward:
                read.update(top for top in node.tops if top not in written)
                written.update(
                    b for b, needed in zip(node.bottoms, node.bottom_needs, strict=True) if needed
                )
        for blob in written - read:
            self._blobs[blob].release_diff()

    def _backward_node(self, node: Node) -> None:
        if not any(node.bottom_needs) and not any(use.needs_gradient for use in node.params):
            return
        graph = self._fitting_graph(node)
        gradients = graph.gradients
        gradients[:] = [None] * len(gradients)
        edges, diffs = [], []
        for blob, edge in zip(node.tops, graph.tops, strict=True):
            if edge is not None:
                edges.append(edge)
                diffs.append(self._blobs[blob].diff_tensor())
        if edges:
            torch.autograd.backward(edges, diffs, retain_graph=True)
        taken = {diff.data_ptr() for diff in diffs}
        for blob, needed, gradient in zip(node.bottoms, node.bottom_needs, gradients, strict=True):
            if needed:
                self._blobs[blob].assign_diff(self._own_memory(blob, gradient, taken))

    def _fitting_graph(self, node: Node) -> LayerGraph:
        """The graph of the forward pass, or one of what the blobs hold by now."""
        graph = node.graph
        if graph is not None and (
            not node.layer.backward_reads_blobs or graph.sight == self._sight(node)
        ):
            return graph
        bottoms = [self._blobs[i].tensor() for i in node.bottoms]
        if node.layer.in_place:
            bottoms = [bottom.clone() for bottom in bottoms]
        self._fit_tops(node, bottoms)
        gradients, entered = self._entered(node, bottoms)
        now = [self._blobs[i].tensor().detach() for i in node.tops]
        try:
            with torch.enable_grad():
                tops = node.layer.replay(entered, now)
        except RuntimeError as err:
            raise explained(node, err) from err
        return LayerGraph([_edge(top) for top in tops], gradients)

    def _sight(self, node: Node) -> replay.Sight:
        return replay.look(self._blobs, node.bottoms, node.tops, node.layer.params)

    def _own_memory(
        self, blob: int, gradient: torch.Tensor | None, taken: set[int]
    ) -> torch.Tensor:
        """A gradient that no other blob's `diff` shares; zeros where none reached the blob."""
        if gradient is None:
            return torch.zeros_like(self._blobs[blob].tensor())
        if gradient.data_ptr() in taken:
            gradient = gradient.clone()
        taken.add(gradient.data_ptr())
        return gradient


class _Enter(torch.autograd.Function):
    """The border of a layer's own graph: a bottom goes in as it is, its gradient comes out.

    A leaf would do the same, but would keep the bottom's memory for as long as the graph; this lets
    in-place layers write over it, and what the gradient does not need go.
    """

    @staticmethod
    def forward(
        ctx: Any,
        token: torch.Tensor,
        gradients: list[torch.Tensor | None],
        index: int,
        bottom: torch.Tensor,
    ) -> torch.Tensor:
        ctx.gradients, ctx.index = gradients, index
        ctx.mark_dirty(bottom)
        return bottom

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[None, None, None, None]:
        ctx.gradients[ctx.index] = grads[0]
        return None, None, None, None


# PyTorch's own annotations leave `apply` out.
_enter: Callable[..., torch.Tensor] = _Enter.apply


def _edge(top: torch.Tensor | None) -> GradientEdge | None:
    return get_gradient_edge(top) if top is not None and top.requires_grad else None


def _without_graph(top: torch.Tensor | None) -> torch.Tensor | None:
    return top.detach() if top is not None and top.requires_grad else top
