"""BatchNorm: each channel to mean 0 and variance 1, by the batch's or the running statistics.

Shapes: (N, C, ...) -> the same.
Parameters: the sums of means (C) and of variances (C), and their common divisor (1).  They are
no weights: the layer itself changes them, and their learning rate is 0.
Source: batch_norm_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from digits.caffe.layers.base import Layer, ParamSlot, Phase, Shape, register
from digits.caffe.layers.shapes import bottom_error
from digits.caffe.proto import caffe_pb2

_ZERO = caffe_pb2.FillerParameter(type="constant", value=0)
_PARAMETERS = 3


@register("BatchNorm")
class BatchNorm(Layer):
    """Batch normalisation without scale and bias (a Scale layer has those).

    `use_global_stats` is true in the TEST phase and false in TRAIN unless given.  Where it is
    false, each forward also updates the sums: new = moving_average_fraction * old + statistic, the
    variance corrected by m / (m - 1) for the m values of a channel.
    """

    exact_bottoms = 1
    exact_tops = 1
    top_may_be_overwritten = True
    backward_reads_blobs = False

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.batch_norm_param
        self.fraction, self.eps = field.moving_average_fraction, field.eps
        self.global_stats = self.context.phase is Phase.TEST
        if field.HasField("use_global_stats"):
            self.global_stats = field.use_global_stats
        if len(bottoms[0]) < 2:
            raise bottom_error(self, 0, bottoms[0], "at least 2 axes (num, channels, ...)")
        self.channels, self.axes = bottoms[0][1], len(bottoms[0])
        self._keep_from_solver()

    def _keep_from_solver(self) -> None:
        """The solver must not change the statistics, as in Caffe."""
        given = self.param.param
        if any(spec.lr_mult != 0 for spec in given[:_PARAMETERS]):
            raise self.error("its parameters are statistics: remove param, or set lr_mult: 0")
        while len(given) < _PARAMETERS:
            given.add(lr_mult=0)

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        statistics = ParamSlot((self.channels,), _ZERO)
        return [statistics, statistics, ParamSlot((1,), _ZERO)]

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) < 2 or bottoms[0][1] != self.channels:
            expected = f"{self.channels} channels, as when the layer was built"
            raise bottom_error(self, 0, bottoms[0], expected)
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return [self.normalise(bottoms[0])]

    def normalise(
        self, bottom: Tensor, factors: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """The top; with `factors` and `bias` (each (C), or None) of a Scale, that layer's top."""
        if self.global_stats:
            mean, variance = self.global_statistics()
            return functional.batch_norm(
                bottom, mean, variance, factors, bias, False, 0.0, self.eps
            )
        if bottom.numel() == self.channels:
            return self._normalise_single(bottom, factors, bias)
        if self.remembers:
            # Caffe's Backward reads copies: what is written into the blobs makes no difference.
            bottom = bottom.clone()
        # With momentum 1 they become the batch's own mean and (corrected) variance.
        mean, variance = (param.new_zeros(self.channels) for param in self.params[:2])
        top = torch.native_batch_norm(bottom, factors, bias, mean, variance, True, 1.0, self.eps)[0]
        with torch.no_grad():
            self._update(mean, variance)
        return top

    def _normalise_single(
        self, bottom: Tensor, factors: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        """A single value in each channel is its mean: what is left is exactly 0."""
        with torch.no_grad():
            mean = bottom.reshape(self.channels)
            self._update(mean, torch.zeros_like(mean))
        top = bottom - bottom
        for parameter, combine in ((factors, torch.mul), (bias, torch.add)):
            if parameter is not None:
                top = combine(top, parameter.reshape(1, -1, *[1] * (bottom.dim() - 2)))
        return top

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        # Before the first forward: Caffe divides by a deviation that is still 0.
        scaled = bottoms[0] / 0
        if self.global_stats:
            return [scaled]
        others = [axis for axis in range(scaled.dim()) if axis != 1]
        return [scaled - scaled.mean(others, keepdim=True)]

    def global_statistics(self) -> tuple[Tensor, Tensor]:
        """The mean and variance of each channel; 0 where nothing was summed up yet."""
        mean_sum, variance_sum, divisor = (param.detach() for param in self.params)
        if divisor.device.type == "cpu":
            number = divisor.item()
            factor: float | Tensor = 1 / number if number else 0.0
        else:  # without waiting for the device
            factor = torch.where(divisor == 0, 0.0, 1 / divisor)
        return mean_sum * factor, variance_sum * factor

    def _update(self, mean: Tensor, variance: Tensor) -> None:
        """Add the batch's statistics to the running sums."""
        mean_sum, variance_sum, divisor = self.params
        divisor.mul_(self.fraction).add_(1)
        mean_sum.mul_(self.fraction).add_(mean)
        variance_sum.mul_(self.fraction).add_(variance)
