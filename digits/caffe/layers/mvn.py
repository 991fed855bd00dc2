"""MVN: each plane, or each item, to mean 0 and variance 1.

Shapes: (N, C, H, W) -> the same; missing axes of the bottom are added to the top as 1.
y = (x - mean) / (std + eps), over a plane, or with `across_channels` over an item;
`normalize_variance: false` only takes off the mean.

The gradient is the mathematical one.  Real Caffe's differs by terms in eps / std, which show only
where eps is large.  Source: mvn_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from digits.caffe.layers.autograd import apply_function, at_least_float32
from digits.caffe.layers.base import Layer, Shape, register
from digits.caffe.layers.shapes import LEGACY_AXES, legacy_dim


@register("MVN")
class MVN(Layer):
    """Mean-variance normalisation."""

    exact_bottoms = 1
    exact_tops = 1

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.shape = tuple(legacy_dim(self, 0, bottoms[0], axis) for axis in range(LEGACY_AXES))
        return [self.shape]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        field = self.param.mvn_param
        # The values of one mean lie in the last axis.
        bottom = at_least_float32(bottoms[0])
        rows = bottom.reshape(self.shape).flatten(1 if field.across_channels else 2)
        rows = rows - rows.mean(-1, keepdim=True)
        if field.normalize_variance:
            if self.remembers:
                self.memory = (_deviation(rows.detach()) + field.eps,)
            rows = apply_function(_Normalise, rows, field.eps)
        return [rows.reshape(self.shape)]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        field = self.param.mvn_param
        if not field.normalize_variance:
            return self.forward(bottoms)
        first = 1 if field.across_channels else 2
        rows = bottoms[0].reshape(self.shape).flatten(first)
        top = tops[0].flatten(first)
        rows = rows / (self.memory[0] if self.memory else torch.zeros_like(rows[..., :1]))
        along = top * (rows * top).mean(-1, keepdim=True)
        return [(rows - rows.mean(-1, keepdim=True) - along).reshape(self.shape)]


def _deviation(rows: Tensor) -> Tensor:
    return rows.square().mean(-1, keepdim=True).sqrt()


class _Normalise(torch.autograd.Function):
    """x / (std + eps) for rows x of mean 0; defined where the deviation is 0, unlike a root's."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, eps: float) -> Tensor:
        deviation = _deviation(rows)
        top = rows / (deviation + eps)
        ctx.save_for_backward(top, deviation)
        ctx.eps = eps
        return top

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        top, deviation = ctx.saved_tensors
        divisor = deviation + ctx.eps
        along = (grads[0] * top).mean(-1, keepdim=True) * divisor / deviation
        along = torch.where(deviation > 0, along, 0.0)
        return (grads[0] - top * along) / divisor, None
