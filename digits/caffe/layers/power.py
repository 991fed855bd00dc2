"""Power, Exp and Log: a linear function of each value, then one curve.

Shapes: a top has its bottom's shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from digits.caffe.layers.autograd import apply_function
from digits.caffe.layers.base import Shape, register
from digits.caffe.layers.neuron import NeuronLayer


@register("Power")
class Power(NeuronLayer):
    """(shift + scale * x) ^ power.

    The gradient is Caffe's: where power is neither 0, 1 nor 2 it is power * scale * y divided by
    the base, so it is nan at a base of 0.  In place, Caffe's own gradient is wrong (it reads the
    overwritten values); here it is right, because the old values are kept.
    """

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.power_param
        self.power, self.scale, self.shift = field.power, field.scale, field.shift

    def apply(self, bottom: Tensor) -> Tensor:
        if self.power * self.scale == 0:
            value = 1.0 if self.power == 0 else _float_power(self.shift, self.power)
            # Times zero, so that a gradient of zeros flows back.
            return (bottom * 0).nan_to_num(0.0, 0.0, 0.0) + value
        base = self._base(bottom)
        if self.power == 1:
            return base
        if self.power == 2:
            return base * base
        result: Tensor = apply_function(_Power, base, self.power)
        return result

    def slope_at(self, bottom: Tensor, top: Tensor) -> Tensor | None:
        if self.power in (0, 1, 2) or self.scale == 0:
            return None
        return self.power * self.scale * top / self._base(bottom)

    def _base(self, bottom: Tensor) -> Tensor:
        # Not + 0, which would lose the sign of a zero.
        base = bottom * self.scale
        return base + self.shift if self.shift else base


class _Power(torch.autograd.Function):
    """base ^ power with the gradient power * y / base, as in PowerLayer::Backward_cpu."""

    @staticmethod
    def forward(ctx: Any, base: Tensor, power: float) -> Tensor:
        top = base.pow(power)
        ctx.save_for_backward(base, top)
        ctx.power = power
        return top

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        base, top = ctx.saved_tensors
        return grads[0] * (ctx.power * top / base), None


@register("Exp")
class Exp(NeuronLayer):
    """base ^ (shift + scale * x); base -1 stands for e."""

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.exp_param
        log_base = _log_base(self, field.base)
        self.inner_scale = log_base * field.scale
        # Caffe multiplies by base ^ shift after the exponential, which keeps large shifts exact.
        if field.shift == 0:
            self.outer_scale = 1.0
        else:
            power = field.shift if field.base == -1 else field.shift * log_base
            self.outer_scale = math.exp(power)

    def apply(self, bottom: Tensor) -> Tensor:
        top = (bottom * self.inner_scale).exp()
        return top if self.outer_scale == 1 else top * self.outer_scale

    def slope_at(self, bottom: Tensor, top: Tensor) -> Tensor:
        return top * self.inner_scale


@register("Log")
class Log(NeuronLayer):
    """The logarithm of (shift + scale * x) to the given base; base -1 stands for e."""

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.log_param
        self.scale, self.shift = field.scale, field.shift
        log_base = _log_base(self, field.base)
        if log_base == 0:
            raise self.error("base 1 has no logarithm; choose another base")
        self.factor = 1 / log_base

    def apply(self, bottom: Tensor) -> Tensor:
        top = (bottom * self.scale + self.shift).log()
        return top if self.factor == 1 else top * self.factor


def _log_base(layer: Exp | Log, base: float) -> float:
    """The natural logarithm of the base; -1 stands for e."""
    if base == -1:
        return 1.0
    if not (base > 0 and math.isfinite(base)):
        raise layer.error(f"base is {base:g}; expected a positive number, or -1 for e")
    return math.log(base)


def _float_power(base: float, power: float) -> float:
    """base ^ power as C computes it: nan and infinity instead of an exception."""
    return float(torch.tensor(base, dtype=torch.float64).pow(power))
