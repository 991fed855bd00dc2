"""Let neighbouring layers run as one, where nobody can see the blob between them.

For nets that do not keep their blobs (`lean_passes.py`).  Which layers can do so, they say
themselves (`absorbs`): a Scale takes over the BatchNorm before it, which saves a pass over the
blob, and several backwards.
"""

from __future__ import annotations

from itertools import pairwise

from digits.caffe.nets.nodes import Node, Parts


def join_layers(parts: Parts) -> None:
    """Mark the layers that their successors run, and connect these to the others' bottoms."""
    for before, node in pairwise(parts.nodes):
        if _is_private(before, node) and node.layer.absorbs(before.layer):
            node.apart = (node.bottoms, node.bottom_needs, node.last_uses)
            node.bottoms, node.bottom_needs = before.bottoms, before.bottom_needs
            node.last_uses = [blob for blob in node.last_uses if blob not in before.tops]
            node.last_uses += before.last_uses
            before.joined = True


def part_layers(parts: Parts) -> None:
    """Take joined layers apart again, where blobs are to be looked at after all."""
    for node in parts.nodes:
        node.joined = False
        if node.apart is not None:
            node.bottoms, node.bottom_needs, node.last_uses = node.apart
            node.apart = None
            node.bottom_shapes = []
            node.layer.stand_alone()


def _is_private(before: Node, node: Node) -> bool:
    """Whether the one top of `before` goes to `node`, and nowhere else."""
    if len(before.bottoms) != 1 or len(before.tops) != 1 or node.bottoms != before.tops:
        return False
    overwritten = node.tops == before.tops
    return (overwritten or before.tops[0] in node.last_uses) and not any(before.loss_weights)
