"""Eltwise, Reduction and ArgMax.

Sources: eltwise_layer.cpp, reduction_layer.cpp, argmax_layer.cpp.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from digits.caffe.layers.autograd import apply_function
from digits.caffe.layers.base import Layer, Shape, register
from digits.caffe.layers.shapes import canonical_axis, count, require_same_shape
from digits.caffe.proto import caffe_pb2

_EltwiseOp = caffe_pb2.EltwiseParameter
_ReductionOp = caffe_pb2.ReductionParameter


@register("Eltwise")
class Eltwise(Layer):
    """SUM (with coefficients), PROD or MAX of bottoms of one shape, value by value.

    MAX: a tie between the first two bottoms sends the gradient to the second; a later bottom must
    be strictly larger.  PROD: with `stable_prod_grad: false` the gradient is top / bottom, which
    is nan at 0.
    """

    min_bottoms = 2
    exact_tops = 1
    top_may_be_overwritten = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.eltwise_param
        self.operation = field.operation
        if field.coeff and field.operation == _EltwiseOp.PROD:
            raise self.error("coeff is only for operation: SUM")
        if field.coeff and len(field.coeff) != len(bottoms):
            raise self.error(
                f"has {len(field.coeff)} coeff for {len(bottoms)} bottoms; expected one for each"
            )
        self.coeff = list(field.coeff) or [1.0] * len(bottoms)

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_same_shape(self, bottoms)
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        if self.operation == _EltwiseOp.SUM:
            return [self._sum(bottoms)]
        if self.operation == _EltwiseOp.MAX:
            if self.remembers:
                self.memory = (_positions_of_largest(bottoms),)
            return [functools.reduce(_larger, bottoms[2:], apply_function(_Max, *bottoms[:2]))]
        if self.param.eltwise_param.stable_prod_grad:
            return [functools.reduce(torch.mul, bottoms)]
        product: Tensor = apply_function(_UnstableProduct, *bottoms)
        return [product]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        if self.operation == _EltwiseOp.MAX:
            chosen = self.memory[0] if self.memory else torch.zeros_like(tops[0])
            return [sum_of(torch.where(chosen == i, b, 0.0) for i, b in enumerate(bottoms))]
        if self.operation == _EltwiseOp.PROD and not self.param.eltwise_param.stable_prod_grad:
            return [sum_of(bottom * (tops[0] / bottom.detach()) for bottom in bottoms)]
        return self.forward(bottoms)

    def _sum(self, bottoms: Sequence[Tensor]) -> Tensor:
        total = bottoms[0] if self.coeff[0] == 1 else bottoms[0] * self.coeff[0]
        for bottom, coeff in zip(bottoms[1:], self.coeff[1:], strict=True):
            total = torch.add(total, bottom, alpha=coeff)
        return total


def sum_of(parts: Iterable[Tensor]) -> Tensor:
    """Their sum, value by value."""
    return functools.reduce(torch.add, parts)


def _positions_of_largest(bottoms: Sequence[Tensor]) -> Tensor:
    """The number of the bottom that each value of the top comes from."""
    best = bottoms[0].detach()
    chosen = torch.zeros_like(best)
    for index, bottom in enumerate(bottoms[1:], 1):
        better = bottom >= best if index == 1 else bottom > best
        chosen = chosen.masked_fill(better, index)
        best = torch.where(better, bottom.detach(), best)
    return chosen


def _larger(best: Tensor, bottom: Tensor) -> Tensor:
    return torch.where(bottom > best, bottom, best)


class _Max(torch.autograd.Function):
    """The larger of two, the second one where they tie."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        from_first = first > second
        ctx.save_for_backward(from_first)
        return torch.where(from_first, first, second)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (from_first,) = ctx.saved_tensors
        zero = grads[0].new_zeros(())
        return torch.where(from_first, grads[0], zero), torch.where(from_first, zero, grads[0])


class _UnstableProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *bottoms: Tensor) -> Tensor:
        ctx.save_for_backward(*bottoms)
        return functools.reduce(torch.mul, bottoms)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        top = functools.reduce(torch.mul, ctx.saved_tensors)
        return tuple(top / bottom * grads[0] for bottom in ctx.saved_tensors)


@register("Reduction")
class Reduction(Layer):
    """All axes from `axis` on become one number: SUM, ASUM, SUMSQ or MEAN, times `coeff`."""

    exact_bottoms = 1
    exact_tops = 1

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.axis = canonical_axis(self, self.param.reduction_param.axis, bottoms[0])
        return [bottoms[0][: self.axis]]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        field = self.param.reduction_param
        rows = bottoms[0].flatten(self.axis)
        if field.operation == _ReductionOp.ASUM:
            rows = rows.abs()
        elif field.operation == _ReductionOp.SUMSQ:
            rows = rows.square()
        reduced = rows.mean(-1) if field.operation == _ReductionOp.MEAN else rows.sum(-1)
        return [reduced if field.coeff == 1 else reduced * field.coeff]


@register("ArgMax")
class ArgMax(Layer):
    """The positions of the `top_k` largest values; of equal values the later comes first.

    With `axis`: along it, (*outer, top_k, *inner) positions, or values with `out_max_val`.
    Without: over each item, (N, 1, top_k), with `out_max_val` (N, 2, top_k), positions then
    values; axes of 1 follow for a bottom of more than three axes.  No gradient passes.
    """

    exact_bottoms = 1
    exact_tops = 1

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.argmax_param
        self.top_k, self.values = field.top_k, field.out_max_val
        self.axis: int | None = None
        if field.HasField("axis"):
            self.axis = canonical_axis(self, field.axis, bottoms[0])
        limit = bottoms[0][self.axis] if self.axis is not None else count(bottoms[0][1:])
        if not 1 <= self.top_k <= limit:
            raise self.error(f"top_k is {self.top_k}; expected 1 to {limit}, the number of values")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = bottoms[0]
        if self.axis is not None:
            self.shape = (*shape[: self.axis], self.top_k, *shape[self.axis + 1 :])
        else:
            trailing = [1] * (len(shape) - 3)
            self.shape = (shape[0], 2 if self.values else 1, self.top_k, *trailing)
        return [self.shape]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        bottom = bottoms[0].detach()
        axis = 1 if self.axis is None else self.axis
        rows = bottom.reshape(len(bottom), -1) if self.axis is None else bottom
        # Sorted backwards: in a stable sort, equal values keep the order "later first".
        flipped = rows.flip(axis)
        values, order = flipped.sort(dim=axis, descending=True, stable=True)
        values = values.narrow(axis, 0, self.top_k)
        positions = rows.shape[axis] - 1 - order.narrow(axis, 0, self.top_k)
        positions = positions.to(bottom.dtype)
        if self.axis is not None:
            return [values if self.values else positions]
        if self.values:
            return [torch.cat([positions, values], 1).reshape(self.shape)]
        return [positions.reshape(self.shape)]

    def accepts_gradient(self, index: int) -> bool:
        return False
