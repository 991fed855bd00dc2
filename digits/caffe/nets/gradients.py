"""Find out which layers and bottoms of a net need a gradient.

A layer needs the backward pass if something that can learn, or that a gradient was asked for, lies
below it and a loss above it.  Source: the end of Net::Init in net.cpp, with its log remarks.
"""

from __future__ import annotations

import logging

from digits.caffe.machine.log import at
from digits.caffe.nets.nodes import Node, Parts

log = logging.getLogger(__name__)


def find_needs(parts: Parts) -> None:
    """Settle `needs_backward` and `bottom_needs` of all layers, and mark the leaves of autograd."""
    _prune(parts)
    if parts.param.force_backward:
        _force(parts)
    for node in parts.nodes:
        if node.type == "BatchNorm" and node.needs_backward:
            # Caffe's writes its bottom's gradient even where nobody asks for it.
            node.bottom_needs = [True]
    for blob in parts.learnable:
        blob.leaf.requires_grad_(False)
    for node in parts.nodes:
        for use in node.params:
            if use.needs_gradient:
                use.blob.leaf.requires_grad_(True)


def _prune(parts: Parts) -> None:
    """Drop the backward pass where no loss follows, or where nothing takes its gradient."""
    under_loss: set[int] = set()
    skipped: set[int] = set()
    for node in reversed(parts.nodes):
        contributes = any(node.loss_weights) or any(top in under_loss for top in node.tops)
        if node.needs_backward and all(top in skipped for top in node.tops):
            node.needs_backward = False
            node.bottom_needs = [False] * len(node.bottoms)
        if not contributes:
            node.needs_backward = False
            node.bottom_needs = [False] * len(node.bottoms)
        _log_need(node)
        if contributes:
            under_loss.update(node.bottoms)
        skipped.update(
            bottom
            for bottom, needed in zip(node.bottoms, node.bottom_needs, strict=True)
            if not needed
        )


def _log_need(node: Node) -> None:
    if node.needs_backward:
        log.info("%s needs backward computation.", node.name, extra=at("net.cpp:200"))
    else:
        log.info("%s does not need backward computation.", node.name, extra=at("net.cpp:202"))


def _force(parts: Parts) -> None:
    """force_backward: every layer computes every gradient that it can."""
    for node in parts.nodes:
        node.needs_backward = True
        node.bottom_needs = [
            needed or node.layer.accepts_gradient(index)
            for index, needed in enumerate(node.bottom_needs)
        ]
        for use in node.params:
            use.needs_gradient = True


def refused_gradient(parts: Parts) -> str | None:
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
