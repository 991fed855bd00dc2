"""What `debug_info: true` logs: the mean absolute value of every blob, parameter and gradient.

Source: Net::ForwardDebugInfo and Net::BackwardDebugInfo in net.cpp.
"""

from __future__ import annotations

import logging

import torch

from digits.caffe.machine.log import at, number
from digits.caffe.nets.nodes import Node, Parts

log = logging.getLogger(__name__)


class DebugInfo:
    """Logs the state of a net's layers as they run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def forward(self, node: Node) -> None:
        """The values of a layer's tops and parameters."""
        for top in node.tops:
            mean = _mean(self._parts.blobs[top].tensor())
            self._log("Forward", node, f"top blob {self._parts.blob_names[top]} data", mean, 593)
        for use in node.params:
            mean = _mean(use.blob.tensor())
            self._log("Forward", node, f"param blob {use.display_name} data", mean, 605)

    def backward(self, node: Node) -> None:
        """The gradients of a layer's bottoms and parameters."""
        for bottom, needed in zip(node.bottoms, node.bottom_needs, strict=True):
            if needed:
                mean = _mean(self._parts.blobs[bottom].diff_tensor())
                name = self._parts.blob_names[bottom]
                self._log("Backward", node, f"bottom blob {name} diff", mean, 621)
        for use in node.params:
            if use.needs_gradient:
                mean = _mean(use.blob.diff_tensor())
                self._log("Backward", node, f"param blob {use.display_name} diff", mean, 632)

    def totals(self) -> None:
        """The norms of all parameters and of their gradients."""
        data = [blob.tensor() for blob in self._parts.learnable]
        diff = [blob.diff_tensor() for blob in self._parts.learnable]
        log.error(
            "    [Backward] All net params (data, diff): L1 norm = (%s, %s); L2 norm = (%s, %s)",
            *(number(_norm(tensors, order)) for order in (1, 2) for tensors in (data, diff)),
            extra=at("net.cpp:721"),
        )

    def _log(self, way: str, node: Node, what: str, mean: float, line: int) -> None:
        log.info(
            "    [%s] Layer %s, %s: %s",
            way,
            node.name,
            what,
            number(mean),
            extra=at(f"net.cpp:{line}"),
        )


def _mean(tensor: torch.Tensor) -> float:
    return float(tensor.detach().abs().mean()) if tensor.numel() else 0.0


def _norm(tensors: list[torch.Tensor], order: int) -> float:
    if not tensors:
        return 0.0
    parts = torch.stack([torch.linalg.vector_norm(tensor.detach(), order) for tensor in tensors])
    return float(torch.linalg.vector_norm(parts, order))
