"""Scale and Bias: multiply by, or add, a smaller blob that is repeated along the other axes.

Shapes: the first bottom's, kept.  The smaller blob fits the bottom's axes from `axis` on; it is the
second bottom, or else a parameter of the shape of `num_axes` of those axes (-1: all that follow;
0: a scalar without axes).  Source: scale_layer.cpp, bias_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from digits.caffe.layers.autograd import evaluated_at
from digits.caffe.layers.base import Layer, ParamSlot, Shape, register
from digits.caffe.layers.batch_norm import BatchNorm
from digits.caffe.layers.shapes import bottom_error, canonical_axis, show
from digits.caffe.proto import caffe_pb2

_ONE = caffe_pb2.FillerParameter(type="constant", value=1)


class _Broadcast(Layer):
    """A layer with one smaller blob, from a second bottom or as its first parameter."""

    min_bottoms = 1
    max_bottoms = 2
    exact_tops = 1
    top_may_be_overwritten = True

    axis: int
    num_axes: int

    def setup(self, bottoms: Sequence[Shape]) -> None:
        if self.num_axes < -1:
            raise self.error(f"num_axes is {self.num_axes}; expected -1 or more")
        self.small = bottoms[1] if len(bottoms) > 1 else self._parameter_shape(bottoms[0])

    def _parameter_shape(self, bottom: Shape) -> Shape:
        start = canonical_axis(self, self.axis, bottom)
        if self.num_axes == -1:
            return bottom[start:]
        if start + self.num_axes > len(bottom):
            raise bottom_error(
                self, 0, bottom, f"{self.num_axes} axes (num_axes) from axis {start} on"
            )
        return bottom[start : start + self.num_axes]

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        small = bottoms[1] if len(bottoms) > 1 else self.small
        # A scalar fits everywhere, and Caffe ignores the axis then.
        start = canonical_axis(self, self.axis, bottom) if small else 0
        if bottom[start : start + len(small)] != small:
            expected = f"the axes of the smaller blob, {show(small)}, from axis {start} on"
            raise bottom_error(self, 0, bottom, expected)
        return [bottom]

    def expand(self, small: Tensor, bottom: Tensor) -> Tensor:
        """The smaller blob with trailing axes of 1, so that it broadcasts over the bottom."""
        if small.dim() == 0:
            return small
        start = self.axis % bottom.dim()
        return small.reshape(*small.shape, *[1] * (bottom.dim() - start - small.dim()))


@register("Scale")
class Scale(_Broadcast):
    """The bottom times the smaller blob, plus, with `bias_term`, a bias of the same shape.

    Parameters: the factors (1 at first), unless they are the second bottom; then the bias.
    """

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.scale_param
        self.axis, self.num_axes = field.axis, field.num_axes
        self.batch_norm: BatchNorm | None = None
        super().setup(bottoms)

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        field = self.param.scale_param
        slots = []
        if len(bottoms) == 1:
            slots.append(ParamSlot(self.small, field.filler if field.HasField("filler") else _ONE))
        if field.bias_term:
            slots.append(ParamSlot(self.small, field.bias_filler))
        return slots

    def absorbs(self, before: Layer) -> bool:
        """Run a BatchNorm along, if the factors are one for each channel."""
        if not isinstance(before, BatchNorm) or len(self.param.bottom) > 1:
            return False
        if self.small == (before.channels,) and self.axis in (1, 1 - before.axes):
            self.batch_norm = before
        return self.batch_norm is not None

    def stand_alone(self) -> None:
        self.batch_norm = None

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        bottom = bottoms[0]
        if self.batch_norm is not None:
            return [self.batch_norm.normalise(bottom, *self.params)]
        if self.in_place and self.remembers:
            self.memory = (bottom.detach().clone(),)
        return [self._scaled(bottom, bottoms)]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        bottom = bottoms[0]
        if self.in_place:
            before = self.memory[0] if self.memory else torch.zeros_like(bottom)
            bottom = evaluated_at(before, bottom)
        return [self._scaled(bottom, bottoms)]

    def _scaled(self, bottom: Tensor, bottoms: Sequence[Tensor]) -> Tensor:
        factors, *bias = [*bottoms[1:], *self.params]
        factors = self.expand(factors, bottom)
        if bias:
            return self.expand(bias[0], bottom).addcmul(bottom, factors)
        return bottom * factors


@register("Bias")
class Bias(_Broadcast):
    """The bottom plus the smaller blob.  Parameter: that blob, unless it is the second bottom."""

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.bias_param
        self.axis, self.num_axes = field.axis, field.num_axes
        super().setup(bottoms)

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        return [] if len(bottoms) > 1 else [ParamSlot(self.small, self.param.bias_param.filler)]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        bottom = bottoms[0]
        return [bottom + self.expand([*bottoms[1:], *self.params][0], bottom)]
