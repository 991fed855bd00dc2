"""Run a net forward and backward.

Two ways, one code for the forward pass:
- Blobs kept (scripts through pycaffe's interface): every layer has an autograd graph of its own
  between its bottoms and tops, so that each blob's `data` and `diff` can be looked at and changed
  between layers, and the backward pass may start and end anywhere, as in Caffe.
- Blobs not kept (training and inference): one autograd graph over all layers; a blob's memory is
  free again as soon as neither a later layer nor autograd needs it.

In: the `Parts` of a net.  Elsewhere: how they are made (`building.py`), what users call (`net.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge

from digits.caffe.errors import CaffeError, NetError
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.nets import replay
from digits.caffe.nets.building import reshape_tops
from digits.caffe.nets.debug_info import DebugInfo
from digits.caffe.nets.joining import join_layers, part_layers
from digits.caffe.nets.nodes import LayerGraph, NetParam, Node, Parts

_VIEWS = ("Split", "Flatten", "Reshape")

Callback = Callable[[int], None]


class Passes:
    """The passes over one net.

    `keep_blobs` says which of the two ways is taken; `debug_info` logs the mean of every blob and
    gradient, and needs the blobs kept.  The four lists hold what scripts want to be called with the
    index of a layer before and after it runs.
    """

    def __init__(self, parts: Parts, context: LayerContext, keep_blobs: bool) -> None:
        self._keep_blobs = keep_blobs
        self.debug_info: DebugInfo | None = None
        self.before_forward: list[Callback] = []
        self.after_forward: list[Callback] = []
        self.before_backward: list[Callback] = []
        self.after_backward: list[Callback] = []
        self._parts = parts
        self._blobs = parts.blobs
        self._context = context
        self._arrays_are_copies = context.device.type != "cpu"
        self._loss: torch.Tensor | None = None
        # What makes the tensors in layers' own graphs require a gradient.
        self._token = torch.zeros((), requires_grad=True)
        self._refusal: str | None = _refused_gradient(parts)
        self.bind_params()
        if keep_blobs:
            self._prepare_to_keep()
        else:
            join_layers(parts)

    @property
    def keep_blobs(self) -> bool:
        """Whether all blobs can be looked at; once switched on, layers run one by one for good."""
        return self._keep_blobs

    @keep_blobs.setter
    def keep_blobs(self, keep: bool) -> None:
        if keep and not self._keep_blobs:
            part_layers(self._parts)
            self._prepare_to_keep()
        self._keep_blobs = keep

    def _prepare_to_keep(self) -> None:
        """Have blobs share memory where they do in Caffe, and notice what is written by hand."""
        last_writer = {top: node for node in self._parts.nodes for top in node.tops}
        for node in self._parts.nodes:
            if node.type in _VIEWS:
                for top in node.tops:
                    # What a later layer writes in place is not to change the bottom.
                    if last_writer[top] is node:
                        self._blobs[top].follow(self._blobs[node.bottoms[0]])
            if node.needs_backward:
                node.layer.remembers = True
                for blob in [*node.bottoms, *node.tops]:
                    self._blobs[blob].is_kept = True

    def bind_params(self) -> None:
        """Hand the layers their parameters; again after a parameter's memory was replaced."""
        for use in self._parts.params:
            leaf = use.blob.leaf
            if tuple(leaf.shape) != use.shape and not leaf.is_contiguous():
                use.blob.share(leaf.contiguous())
        for node in self._parts.nodes:
            node.layer.params = [_bound(use) for use in node.params]

    def forward(self, start: int, end: int) -> torch.Tensor:
        """Run layers `start` to `end`, both included; the sum of their weighted losses (a scalar).

        Raises LayerError for what a layer cannot run.
        """
        nodes = self._parts.nodes[start : end + 1]
        self.flush_params()
        self._loss = None
        if self._keep_blobs:
            self._release(nodes, all_tops=start == 0)
        losses: list[torch.Tensor] = []
        # Once for all layers, as far as they agree: switching takes as long as a small layer.
        with torch.set_grad_enabled(any(self._makes_graph(node) for node in nodes)):
            for index, node in enumerate(nodes, start):
                for callback in self.before_forward:
                    callback(index)
                if not node.joined:
                    self._forward_node(node, losses)
                if self.debug_info:
                    self.debug_info.forward(node)
                for callback in self.after_forward:
                    callback(index)
        self._loss = _total(losses, self._context)
        return self._loss

    def backward(self, start: int, end: int) -> None:
        """Run layers `start` down to `end`, both included; adds to the parameters' gradients.

        With kept blobs it works with what these hold, also without a forward pass before; else that
        raises NetError.  So does a gradient that a layer refuses.
        """
        if self._refusal:
            raise NetError(self._refusal)
        self.flush_params()
        if not self._keep_blobs:
            self._backward_whole(start, end)
            return
        self._release_gradients(start, end)
        for index in range(start, end - 1, -1):
            for callback in self.before_backward:
                callback(index)
            node = self._parts.nodes[index]
            if node.needs_backward:
                self._backward_node(node)
                if self.debug_info:
                    self.debug_info.backward(node)
            for callback in self.after_backward:
                callback(index)
        if self.debug_info:
            self.debug_info.totals()

    def flush_params(self) -> None:
        """Bring the device up to date with what was written into parameters' arrays."""
        if self._arrays_are_copies:
            for blob in self._parts.learnable:
                blob.flush()

    def reshape(self) -> None:
        """Give all blobs the shapes that follow from those of the inputs."""
        for node in self._parts.nodes:
            node.bottom_shapes = [torch.Size(self._blobs[i].shape) for i in node.bottoms]
            reshape_tops(node, self._blobs)

    def _release(self, nodes: list[Node], all_tops: bool) -> None:
        """Let go of the last pass, so that this one can use its memory again."""
        for node in nodes:
            node.graph = None
            node.layer.memory = ()
            if all_tops and not node.layer.keeps_tops and not node.layer.in_place:
                for top in node.tops:
                    self._blobs[top].release()

    def _forward_node(self, node: Node, losses: list[torch.Tensor]) -> None:
        blobs = self._blobs
        bottoms = [blobs[i].tensor() for i in node.bottoms]
        shapes = [bottom.shape for bottom in bottoms]
        if shapes != node.bottom_shapes:
            node.bottom_shapes = shapes
            reshape_tops(node, blobs)
        graph = self._makes_graph(node)
        if graph and self._keep_blobs:
            self._forward_alone(node, bottoms, losses)
            return
        if graph and not all(node.bottom_needs):
            bottoms = [
                bottom if needed else bottom.detach()
                for bottom, needed in zip(bottoms, node.bottom_needs, strict=True)
            ]
        self._take_tops(node, self._run(node, bottoms, graph), losses)

    def _makes_graph(self, node: Node) -> bool:
        return node.needs_backward and (self._keep_blobs or self._context.phase is Phase.TRAIN)

    def _forward_alone(
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
        graph.sight = replay.look(self._blobs, node.bottoms, node.tops)
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

    def _run(
        self, node: Node, bottoms: list[torch.Tensor], graph: bool
    ) -> Sequence[torch.Tensor | None]:
        try:
            if graph == torch.is_grad_enabled():
                return node.layer.forward(bottoms)
            with torch.set_grad_enabled(graph):
                return node.layer.forward(bottoms)
        except RuntimeError as err:
            raise _explained(node, err) from err

    def _take_tops(
        self, node: Node, tops: Sequence[torch.Tensor | None], losses: list[torch.Tensor]
    ) -> None:
        blobs = self._blobs
        for top, weight, tensor in zip(node.tops, node.loss_weights, tops, strict=True):
            blob = blobs[top]
            if tensor is not None:
                blob.assign(
                    tensor.detach() if tensor.requires_grad and self._keep_blobs else tensor
                )
            elif blob.tensor().requires_grad:
                # An in-place layer left the last pass's graph behind.
                blob.assign(blob.tensor().detach())
            if weight:
                losses.append(_weighted(blob.tensor(), weight))
        if not self._keep_blobs:
            for index in node.last_uses:
                blobs[index].release()

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
            not node.layer.backward_reads_blobs
            or graph.sight == replay.look(self._blobs, node.bottoms, node.tops)
        ):
            return graph
        bottoms = [self._blobs[i].tensor() for i in node.bottoms]
        if node.layer.in_place:
            bottoms = [bottom.clone() for bottom in bottoms]
        shapes = [bottom.shape for bottom in bottoms]
        if shapes != node.bottom_shapes:
            node.bottom_shapes = shapes
            reshape_tops(node, self._blobs)
        gradients, entered = self._entered(node, bottoms)
        now = [self._blobs[i].tensor().detach() for i in node.tops]
        try:
            with torch.enable_grad():
                tops = node.layer.replay(entered, now)
        except RuntimeError as err:
            raise _explained(node, err) from err
        return LayerGraph([_edge(top) for top in tops], gradients)

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

    def _backward_whole(self, start: int, end: int) -> None:
        if start != len(self._parts.nodes) - 1 or end != 0:
            raise NetError("a net that does not keep its blobs runs backward only as a whole.")
        if self._loss is None:
            raise NetError("the backward pass needs a forward pass before it.")
        if self._loss.requires_grad:
            self._loss.backward()  # type: ignore[no-untyped-call]
        self._loss = None


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


def _explained(node: Node, err: RuntimeError) -> RuntimeError:
    """PyTorch's error with the layer's name; what the layer itself raises says enough."""
    if isinstance(err, CaffeError) or node.layer.runs_foreign_code:
        return err
    return node.layer.error(f"failed: {err}")


def _bound(use: NetParam) -> torch.Tensor:
    """The tensor that a layer computes with: the parameter itself, or a view of it."""
    tensor = use.blob.leaf if use.needs_gradient else use.blob.leaf.detach()
    return tensor if tuple(tensor.shape) == use.shape else tensor.view(use.shape)


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


def _refused_gradient(parts: Parts) -> str | None:
    """What to say if a gradient is needed where a layer takes none (a learnt label, an index)."""
    for node in parts.nodes:
        for index, needed in enumerate(node.bottom_needs):
            if node.needs_backward and needed and node.layer.refuses_gradient(index):
                return str(
                    node.layer.error(
                        f"Layer cannot backpropagate to bottom {index} "
                        f"({node.param.bottom[index]!r}), which comes from layers that learn. "
                        "Set propagate_down: false for it"
                    )
                )
    return None
