"""Run convolutions together with the BatchNorm and Scale behind them, where none of them learns.

y = scale * (w x + b - mean) / sqrt(variance + eps) + bias is a convolution with other weights.  The
layers keep their own parameters: the folded ones stand in their place only while they are needed.

In: layers of a net.  Out: what to run in place of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from digits.caffe.layers.batch_norm import BatchNorm
from digits.caffe.layers.convolution import Convolution
from digits.caffe.layers.scale_bias import Scale
from digits.caffe.nets.net_blob import NetBlob
from digits.caffe.nets.nodes import Node


@dataclass(eq=False)
class Fold:
    """A convolution, and the Scale behind it that runs a BatchNorm along (`joining.py`)."""

    convolution: Node
    scale: Node
    # The folded parameters, once they were asked for: what does not learn stays what it is.
    parameters: list[torch.Tensor] = field(default_factory=list)


def find_folds(nodes: Sequence[Node]) -> list[Fold]:
    """The convolutions whose top goes to nothing but a BatchNorm with a Scale, among `nodes`."""
    makers: dict[int, Node] = {}
    folds = []
    for node in nodes:
        maker = makers.get(node.bottoms[0])
        if maker is not None and _can_be_folded(maker, node):
            folds.append(Fold(maker, node))
        if not node.joined:
            makers.update(dict.fromkeys(node.tops, node))
    return folds


def _can_be_folded(before: Node, node: Node) -> bool:
    convolution, scale = before.layer, node.layer
    return (
        isinstance(convolution, Convolution)
        and convolution.axis == 1
        and len(before.bottoms) == 1
        and isinstance(scale, Scale)
        and scale.batch_norm is not None
        and scale.batch_norm.global_stats
    )


@contextmanager
def folded(
    folds: Sequence[Fold], blobs: Sequence[NetBlob]
) -> Iterator[dict[Node, Callable[[], None]]]:
    """In the block convolutions have folded parameters; the answer is what to do for a Scale."""
    own = [fold.convolution.layer.params for fold in folds]
    try:
        for fold in folds:
            fold.parameters = fold.parameters or _parameters(fold)
            fold.convolution.layer.params = fold.parameters
        yield {fold.scale: _handing_on(fold, blobs) for fold in folds}
    finally:
        for fold, params in zip(folds, own, strict=True):
            fold.convolution.layer.params = params


def _parameters(fold: Fold) -> list[torch.Tensor]:
    """Weights and bias of the convolution that does the work of all three."""
    scale = fold.scale.layer
    assert isinstance(scale, Scale)  # noqa: S101  # `find_folds` looked
    norm = scale.batch_norm
    assert isinstance(norm, BatchNorm)  # noqa: S101
    weights, *biases = (param.detach() for param in fold.convolution.layer.params)
    factors, *shifts = (param.detach().double() for param in scale.params)
    mean, variance = (values.double() for values in norm.global_statistics())
    factors = factors / torch.sqrt(variance + norm.eps)
    bias = (biases[0].double() if biases else 0) - mean
    bias = bias * factors + (shifts[0] if shifts else 0)
    shape = (-1, *[1] * (weights.dim() - 1))
    changed = torch.empty_like(weights).copy_(weights.double() * factors.reshape(shape))
    return [changed, bias.to(weights.dtype)]


def _handing_on(fold: Fold, blobs: Sequence[NetBlob]) -> Callable[[], None]:
    (before,), (after,) = fold.convolution.tops, fold.scale.tops

    def hand_on() -> None:
        if before != after:
            blobs[after].assign(blobs[before].tensor())

    return hand_on
