"""Whether the blobs around a layer still hold what they held when the layer ran forward.

Caffe's Backward reads bottoms, tops and parameters as they are then.  Autograd reads what it saved
in the forward pass.  The two differ where somebody wrote into a blob in between, ran some of the
layers again, took a solver's step or other weights, or never ran forward; then a layer's graph is
made anew (`Layer.replay`).

In place, and for tops, only what was written by hand counts: that a later layer overwrites a blob
belongs to every pass.  Elsewhere: who asks (`kept_passes.py`), how it is noticed (`net_blob.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from digits.caffe.nets.net_blob import NetBlob


@dataclass(frozen=True)
class Sight:
    """The state of the blobs around a layer: how often each was edited, and each bottom written.

    `updates` counts what PyTorch wrote into each parameter.  What is written into its array on the
    host needs no count: it lies in the memory that autograd reads.
    """

    edits: tuple[int, ...]
    writes: tuple[int, ...]
    updates: tuple[int, ...]


def look(
    blobs: Sequence[NetBlob],
    bottoms: Sequence[int],
    tops: Sequence[int],
    params: Sequence[torch.Tensor],
) -> Sight:
    """The state now of the blobs around a layer with these bottoms, tops and parameters."""
    return Sight(
        tuple(blobs[index].edits() for index in (*bottoms, *tops)),
        tuple(blobs[index].writes for index in bottoms if index not in tops),
        tuple(param._version for param in params),
    )
