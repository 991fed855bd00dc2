"""LRN: local response normalisation, across channels or within each channel's plane.

Across: y = x / s^beta with s = k + alpha / n * (sum of x^2 over n neighbouring channels).
Within: y = x / (1 + alpha * mean of x^2 over an n x n window)^beta; the mean counts the zeros of
the padding, and `k` is ignored.  Shapes: (N, C, H, W) -> the same.  Source: lrn_layer.cpp.

Across channels the layer is bound by memory, so it is written for the cache: a piece of the blob
at a time goes through all the steps, along the axis that is contiguous in the given memory format.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from digits.caffe.layers.autograd import apply_function, at_least_float32
from digits.caffe.layers.base import Layer, Shape, register
from digits.caffe.layers.shapes import require_four_axes
from digits.caffe.proto import caffe_pb2

# Values that are worked on together: a few arrays of this many floats fit into a core's cache.
_PIECE = 1 << 18


@register("LRN")
class LRN(Layer):
    """Local response normalisation; `engine` makes no difference."""

    exact_bottoms = 1
    exact_tops = 1

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.lrn_param
        if field.local_size % 2 == 0:
            raise self.error(f"local_size is {field.local_size}; expected an odd number")
        self.size, self.alpha, self.beta, self.k = (
            field.local_size,
            field.alpha,
            field.beta,
            field.k,
        )
        self.within = field.norm_region == caffe_pb2.LRNParameter.WITHIN_CHANNEL

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_four_axes(self, 0, bottoms[0])
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        bottom = at_least_float32(bottoms[0])
        if self.within:
            return [self._within_channel(bottom).to(bottoms[0].dtype)]
        norm: list[Tensor] | None = [] if self.remembers else None
        top: Tensor = apply_function(
            _AcrossChannels, bottom, self.size, self.alpha / self.size, self.beta, self.k, norm
        )
        self.memory = tuple(norm or ())
        return [top.to(bottoms[0].dtype)]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        bottom, x = at_least_float32(bottoms[0]), at_least_float32(bottoms[0].detach())
        if self.within:
            mean, power = self.memory or (torch.zeros_like(x), torch.zeros_like(x))
            slope = -self.alpha * self.beta * power / (1 + self.alpha * mean)
            return [bottom * power + x * slope * self._window_mean(2 * x * bottom)]
        norm = self.memory[0] if self.memory else torch.zeros_like(x)
        reach = functional.avg_pool3d(
            (bottom * x).unsqueeze(1), (self.size, 1, 1), 1, ((self.size - 1) // 2, 0, 0)
        ).squeeze(1)
        # avg_pool3d has divided by the size already.
        return [bottom * norm**-self.beta - 2 * self.alpha * self.beta * tops[0] / norm * reach]

    def _within_channel(self, bottom: Tensor) -> Tensor:
        mean = self._window_mean(bottom * bottom)
        power = (1 + self.alpha * mean) ** -self.beta
        if self.remembers:
            self.memory = (mean.detach(), power.detach())
        return bottom * power

    def _window_mean(self, values: Tensor) -> Tensor:
        half = (self.size - 1) // 2
        return functional.avg_pool2d(values, self.size, stride=1, padding=half)


class _AcrossChannels(torch.autograd.Function):
    """y = x * s^-beta; with scale = alpha / n and g the gradient of y, that of x is
    g * s^-beta - 2 * scale * beta * x * (window sum of g * y / s).  `remembered` is given s.
    """

    @staticmethod
    def forward(
        ctx: Any,
        bottom: Tensor,
        size: int,
        scale: float,
        beta: float,
        k: float,
        remembered: list[Tensor] | None,
    ) -> Tensor:
        bottom = _dense(bottom)
        top = torch.empty_like(bottom)
        # Without a backward pass to come, s need not outlive its piece.
        norm = torch.empty_like(bottom) if ctx.needs_input_grad[0] else top
        window = _Window(bottom, size)
        start = bottom.new_full((), k)
        for x, y, s in window.pieces(bottom, top, norm):
            padded = window.room(x)
            torch.mul(x, x, out=padded)
            torch.add(start, window.sums(x), alpha=scale, out=s)
            torch.div(x, _power(s, beta), out=y)
        ctx.save_for_backward(bottom, norm)
        if remembered is not None:
            remembered.append(norm)
        ctx.window, ctx.beta, ctx.factor = window, beta, -2 * scale * beta
        return top

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        bottom, norm = ctx.saved_tensors
        window: _Window = ctx.window
        grad = _dense(grads[0], like=bottom)
        result = torch.empty_like(bottom)
        for x, s, g, d in window.pieces(bottom, norm, grad, result):
            direct = torch.div(g, _power(s, ctx.beta))
            torch.div(direct * x, s, out=window.room(x))
            torch.mul(window.sums(x), x, out=d)
            torch.add(direct, d, alpha=ctx.factor, out=d)
        return result, None, None, None, None, None


class _Window:
    """Sums over `size` neighbouring channels, on pieces of a blob that fit into the cache.

    A piece is a matrix whose rows run over the channels: one row a pixel where channels are
    contiguous (`step` 1), else one row an image (`step` = height * width).  It is laid out flat,
    with zeros between the rows, so that each step of the sum is one addition of flat arrays.
    """

    def __init__(self, blob: Tensor, size: int) -> None:
        images, channels, height, width = blob.shape
        self.size = size
        self.channels_last = blob.is_contiguous(memory_format=torch.channels_last)
        self.step = 1 if self.channels_last else height * width
        self.gap = size // 2 * self.step
        self.columns = channels * self.step
        rows = images * height * width if self.channels_last else images
        on_cpu = blob.device.type == "cpu"
        self.rows = min(rows, max(1, _PIECE // self.columns)) if on_cpu else rows
        self.buffer = blob.new_zeros(self.rows * (self.columns + self.gap) + 2 * self.gap)

    def pieces(self, *blobs: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The blobs' matching pieces, each of at most `self.rows` rows, as views."""
        if self.channels_last:
            blobs = tuple(blob.permute(0, 2, 3, 1) for blob in blobs)
        matrices = (blob.reshape(-1, self.columns) for blob in blobs)
        return zip(*(torch.split(matrix, self.rows) for matrix in matrices), strict=True)

    def room(self, piece: Tensor) -> Tensor:
        """Where to write the values that `sums` adds up; a view of the piece's shape."""
        return self._rows(self.buffer[self.gap :], len(piece))

    def sums(self, piece: Tensor) -> Tensor:
        """The sums around each value, as a view of the piece's shape.

        Adds up blocks of 1, 2, 4, ... neighbours, so that `size` 5 takes three additions.
        """
        length = len(piece) * (self.columns + self.gap)
        block = self.buffer[: length + 2 * self.gap]
        parts: list[Tensor] = []
        done, width = 0, 1
        while width <= self.size:
            if width > 1:
                shift = width // 2 * self.step
                block = block[:-shift] + block[shift:]
            if self.size & width:
                parts.append(block[done * self.step :][:length])
                done += width
            width *= 2
        return self._rows(functools.reduce(torch.add, parts), len(piece))

    def _rows(self, flat: Tensor, rows: int) -> Tensor:
        return flat.as_strided((rows, self.columns), (self.columns + self.gap, 1))


def _power(base: Tensor, exponent: float) -> Tensor:
    """base ^ exponent; by square roots for 0.75 and 0.5, which is several times faster."""
    if exponent == 0.5:
        return base.sqrt()
    if exponent == 0.75:
        root = base.sqrt()
        return root.sqrt().mul_(root)
    return base.pow(exponent)


def _dense(blob: Tensor, like: Tensor | None = None) -> Tensor:
    """The blob without gaps in memory, in the layout of `like`, or in the nearest to its own."""
    layout = blob if like is None else like
    if layout.is_contiguous(memory_format=torch.channels_last):
        return blob.contiguous(memory_format=torch.channels_last)
    return blob.contiguous()
