"""The neuron layers: functions of one value at a time, and Dropout.

Shapes: a top has its bottom's shape, and its memory layout.  Gradients are the mathematical ones,
with Caffe's choice where there is a kink: ReLU, PReLU at 0 take the slope, AbsVal takes 0, Clip
passes at both bounds.  Elsewhere: Power, Exp, Log (`power.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from digits.caffe.layers.autograd import evaluated_at
from digits.caffe.layers.base import Layer, ParamSlot, Shape, register
from digits.caffe.layers.shapes import bottom_error
from digits.caffe.proto import caffe_pb2


class NeuronLayer(Layer):
    """One bottom, one top of the same shape."""

    exact_bottoms = 1
    exact_tops = 1

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return [self.apply(bottoms[0])]

    def apply(self, bottom: Tensor) -> Tensor:
        """The function itself."""
        raise NotImplementedError

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        slope = self.slope_at(bottoms[0].detach(), tops[0])
        return [self.apply(bottoms[0]) if slope is None else bottoms[0] * slope]

    def slope_at(self, bottom: Tensor, top: Tensor) -> Tensor | None:
        """Caffe's derivative, where it is read off the top; None where off the bottom alone."""
        return None


@register("ReLU")
class ReLU(NeuronLayer):
    """max(x, 0) + negative_slope * min(x, 0)."""

    def setup(self, bottoms: Sequence[Shape]) -> None:
        self.slope = self.param.relu_param.negative_slope

    def apply(self, bottom: Tensor) -> Tensor:
        # The gradient is read off the output, which tells the sign for slopes of 0 and more only.
        overwrite = self.in_place and self.slope >= 0 and self.may_overwrite(bottom)
        if self.slope == 0:
            return bottom.relu_() if overwrite else bottom.relu()
        return functional.leaky_relu(bottom, self.slope, inplace=overwrite)


@register("PReLU")
class PReLU(NeuronLayer):
    """max(x, 0) + slope * min(x, 0) with a learned slope for each channel, or one for all.

    Parameters: the slopes, (channels), or a scalar without axes with `channel_shared`.
    """

    def setup(self, bottoms: Sequence[Shape]) -> None:
        self.shared = self.param.prelu_param.channel_shared
        if len(bottoms[0]) < 2:
            raise bottom_error(self, 0, bottoms[0], "at least 2 axes (num, channels, ...)")
        self.channels = bottoms[0][1]

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        prelu = self.param.prelu_param
        start = caffe_pb2.FillerParameter(type="constant", value=0.25)
        filler = prelu.filler if prelu.HasField("filler") else start
        return [ParamSlot(() if self.shared else (self.channels,), filler)]

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) < 2 or bottoms[0][1] != self.channels:
            expected = f"{self.channels} channels, as when the layer was built"
            raise bottom_error(self, 0, bottoms[0], expected)
        return [bottoms[0]]

    def apply(self, bottom: Tensor) -> Tensor:
        if self.in_place and self.remembers:
            self.memory = (bottom.detach().clone(),)
        return functional.prelu(bottom, self.params[0].reshape(-1))

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        bottom = bottoms[0]
        if self.in_place:
            before = self.memory[0] if self.memory else torch.zeros_like(bottom)
            bottom = evaluated_at(before, bottom)
        return [functional.prelu(bottom, self.params[0].reshape(-1))]


@register("ELU")
class ELU(NeuronLayer):
    """x for x > 0, alpha * (exp(x) - 1) elsewhere."""

    def apply(self, bottom: Tensor) -> Tensor:
        return functional.elu(bottom, self.param.elu_param.alpha)

    def slope_at(self, bottom: Tensor, top: Tensor) -> Tensor:
        return torch.where(bottom > 0, 1.0, self.param.elu_param.alpha + top)


@register("Sigmoid")
class Sigmoid(NeuronLayer):
    """1 / (1 + exp(-x))."""

    def apply(self, bottom: Tensor) -> Tensor:
        return bottom.sigmoid()

    def slope_at(self, bottom: Tensor, top: Tensor) -> Tensor:
        return top * (1 - top)


@register("TanH")
class TanH(NeuronLayer):
    """The hyperbolic tangent."""

    def apply(self, bottom: Tensor) -> Tensor:
        return bottom.tanh()

    def slope_at(self, bottom: Tensor, top: Tensor) -> Tensor:
        return 1 - top * top


@register("AbsVal")
class AbsVal(NeuronLayer):
    """|x|."""

    allows_in_place = False

    def apply(self, bottom: Tensor) -> Tensor:
        return bottom.abs()


@register("BNLL")
class BNLL(NeuronLayer):
    """Binomial normal log likelihood, log(1 + exp(x))."""

    def apply(self, bottom: Tensor) -> Tensor:
        return functional.softplus(bottom)


@register("Clip")
class Clip(NeuronLayer):
    """min(max(x, min), max)."""

    def setup(self, bottoms: Sequence[Shape]) -> None:
        clip = self.param.clip_param
        if not (clip.HasField("min") and clip.HasField("max")):
            raise self.error("clip_param needs both min and max")
        self.low, self.high = clip.min, clip.max

    def apply(self, bottom: Tensor) -> Tensor:
        # Its gradient needs the values before: with one, PyTorch would keep a copy of them.
        if self.in_place and self.may_overwrite(bottom) and not bottom.requires_grad:
            return bottom.clamp_(self.low, self.high)
        return bottom.clamp(self.low, self.high)


@register("Swish")
class Swish(NeuronLayer):
    """x * sigmoid(beta * x)."""

    def apply(self, bottom: Tensor) -> Tensor:
        sigmoid = (self.param.swish_param.beta * bottom).sigmoid()
        if self.remembers:
            self.memory = (sigmoid.detach(),)
        return bottom * sigmoid

    def slope_at(self, bottom: Tensor, top: Tensor) -> Tensor:
        sigmoid = self.memory[0] if self.memory else torch.zeros_like(top)
        product = self.param.swish_param.beta * top
        return product + sigmoid * (1 - product)


@register("Threshold")
class Threshold(NeuronLayer):
    """1 where x is greater than the threshold, else 0; no gradient passes."""

    def apply(self, bottom: Tensor) -> Tensor:
        return (bottom > self.param.threshold_param.threshold).to(bottom.dtype)

    def accepts_gradient(self, index: int) -> bool:
        return False


@register("Dropout")
class Dropout(NeuronLayer):
    """TRAIN: each value is 0 with probability `dropout_ratio`, else scaled by 1 / (1 - ratio).

    TEST: the bottom itself.
    """

    backward_reads_blobs = False

    def setup(self, bottoms: Sequence[Shape]) -> None:
        self.ratio = self.param.dropout_param.dropout_ratio
        if not 0 <= self.ratio < 1:
            raise self.error(f"dropout_ratio is {self.ratio:g}; expected 0 or more and less than 1")

    def apply(self, bottom: Tensor) -> Tensor:
        if not self.training or self.ratio == 0:
            return bottom if self.in_place else bottom.clone()
        keep = 1 - self.ratio
        mask = torch.empty_like(bottom).bernoulli_(
            keep, generator=self.context.random.on(bottom.device)
        )
        mask.div_(keep)
        return bottom.mul_(mask) if self.in_place and self.may_overwrite(bottom) else bottom * mask

    def slope_at(self, bottom: Tensor, top: Tensor) -> Tensor:
        # Asked for before the first forward only, when Caffe's mask is still empty.
        return torch.zeros_like(top) if self.training and self.ratio else torch.ones_like(top)
