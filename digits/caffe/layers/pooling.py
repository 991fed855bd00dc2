"""Pooling (MAX, AVE, STOCHASTIC) with Caffe's rounding, and spatial pyramid pooling (SPP).

Shapes: (N, C, H, W) -> (N, C, H', W').  H' = ceil((H + 2 pad - kernel) / stride) + 1 (`round_mode`
FLOOR rounds down); with padding, a last window that would start in the padding is dropped.
MAX never takes padding, its first maximum in row-major order gets the gradient, and its second top
holds that position, h * W + w.  AVE divides by the window's size clipped at H + pad: padding
counts, what lies beyond it does not.  A window that lies wholly outside gives -FLT_MAX or nan.

STOCHASTIC (which real Caffe has on the GPU only): TRAIN picks one value with a probability in
proportion to it, TEST gives the mean weighted by the values.  Source: pooling_layer.cpp and .cu.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from digits.caffe.layers.autograd import apply_function
from digits.caffe.layers.base import Layer, Shape, register
from digits.caffe.layers.shapes import bottom_error, require_four_axes
from digits.caffe.proto import caffe_pb2

MAX = caffe_pb2.PoolingParameter.MAX
AVE = caffe_pb2.PoolingParameter.AVE
STOCHASTIC = caffe_pb2.PoolingParameter.STOCHASTIC

_CHANNELS_WORTH_A_COPY = 4
# Bottoms of so many values (4 MB) are not kept for the backward pass; below, that costs more time.
_WORTH_FREEING = 1 << 20
_FLT_MAX = torch.finfo(torch.float32).max
_FLT_MIN = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Axis:
    """How windows lie along one axis of `size` values."""

    size: int
    kernel: int
    stride: int
    pad: int
    windows: int

    @property
    def covers_all(self) -> bool:
        """Whether the one window is just the axis, as in global pooling."""
        return self.windows == 1 and self.pad == 0 and self.kernel == self.size

    def native(self, round_up: bool) -> int | None:
        """The windows that PyTorch makes: it drops one that starts outside when rounding up.

        None when it does not take so much padding.
        """
        if self.pad > self.kernel // 2:
            return None
        span = self.size + 2 * self.pad - self.kernel
        if not round_up:
            return span // self.stride + 1
        windows = -(-span // self.stride) + 1
        if (windows - 1) * self.stride >= self.size + self.pad:
            windows -= 1
        return windows

    @property
    def overrun(self) -> int:
        """How far the last window reaches beyond the axis (its padding included)."""
        return (self.windows - 1) * self.stride + self.kernel - self.pad - self.size

    def divisors(self, like: Tensor) -> Tensor:
        """What AVE divides by along this axis: the windows' sizes, clipped at size + pad."""
        start = torch.arange(self.windows, device=like.device) * self.stride - self.pad
        end = (start + self.kernel).clamp(max=self.size + self.pad)
        return (end - start).to(like.dtype)


@dataclass(frozen=True)
class Grid:
    """The windows over a plane."""

    rows: Axis
    columns: Axis

    @cached_property
    def kernel(self) -> tuple[int, int]:
        return self.rows.kernel, self.columns.kernel

    @cached_property
    def stride(self) -> tuple[int, int]:
        return self.rows.stride, self.columns.stride

    @cached_property
    def pad(self) -> tuple[int, int]:
        return self.rows.pad, self.columns.pad

    @cached_property
    def covers_all(self) -> bool:
        """Whether the one window is just the plane, as in global pooling."""
        return self.rows.covers_all and self.columns.covers_all

    @cached_property
    def native_rounding(self) -> bool | None:
        """PyTorch's ceil_mode with which it makes the same windows; None when neither does."""
        for round_up in (True, False):
            made = self.rows.native(round_up), self.columns.native(round_up)
            if made == (self.rows.windows, self.columns.windows):
                return round_up
        return None

    def padded(self, bottom: Tensor, value: float) -> Tensor:
        """The bottom with room for every window; windows never reach what is cut off at the end."""
        rows, columns = self.rows, self.columns
        sides = (columns.pad, columns.overrun, rows.pad, rows.overrun)
        return functional.pad(bottom, sides, value=value)


class _Pool(Layer):
    """The three methods on windows that are worked out by the subclasses."""

    top_may_be_overwritten = True

    def pool(self, bottom: Tensor, method: int, grid: Grid) -> Tensor:
        """The top of one bottom (N, C, H, W)."""
        if method == MAX:
            return _max(bottom, grid)
        if method == AVE:
            return _average(bottom, grid)
        return self._stochastic(bottom, grid)

    def pool_before_forward(self, bottom: Tensor, method: int, grid: Grid) -> Tensor:
        """As long as no position is known, Caffe takes the first of the plane."""
        if method == AVE:
            return _average(bottom, grid)
        return bottom[:, :, :1, :1].expand(-1, -1, grid.rows.windows, grid.columns.windows)

    def _stochastic(self, bottom: Tensor, grid: Grid) -> Tensor:
        values = _windows(bottom, grid)
        if not self.training:
            # The padding of overrunning windows is 0, so it adds to neither sum.
            total = values.sum(-1) + _FLT_MIN
            return torch.where(total > 0, values.square().sum(-1) / total, 0.0)
        sums = values.detach().cumsum(-1)
        chance = torch.rand(
            sums.shape[:-1],
            dtype=sums.dtype,
            device=sums.device,
            generator=self.context.random.on(sums.device),
        )
        reached = sums >= (chance * sums[..., -1]).unsqueeze(-1)
        return values.gather(-1, reached.int().argmax(-1, keepdim=True)).squeeze(-1)


@register("Pooling")
class Pooling(_Pool):
    """One window size for the whole plane; `engine` makes no difference."""

    exact_bottoms = 1
    min_tops = 1
    max_tops = 2

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.pooling_param
        self.method = field.pool
        self.backward_reads_blobs = len(self.param.top) > 1
        self._check_kernel()
        self.kernel = self._pair("kernel_size", "kernel")
        self.pad = self._pair("pad", "pad")
        self.stride = self._pair("stride", "stride")
        if field.global_pooling and (self.pad != (0, 0) or self.stride != (1, 1)):
            raise self.error("global_pooling takes pad 0 and stride 1")
        if not field.global_pooling and 0 in self.kernel:
            raise self.error(f"kernel is {self.kernel[0]}x{self.kernel[1]}; expected 1 or more")
        if 0 in self.stride:
            raise self.error(f"stride is {self.stride[0]}x{self.stride[1]}; expected 1 or more")
        if self.pad != (0, 0):
            self._check_pad()
        if len(self.param.top) > 1 and self.method != MAX:
            raise self.error("only pool: MAX has a second top (the positions of the maxima)")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_four_axes(self, 0, bottoms[0])
        self.grid = self._grid(bottoms[0])
        rows, columns = self.grid.rows, self.grid.columns
        for axis, name in ((rows, "height"), (columns, "width")):
            if axis.windows < 1:
                raise bottom_error(
                    self,
                    0,
                    bottoms[0],
                    f"a {name} of at least {axis.kernel - 2 * axis.pad}: "
                    f"the kernel ({axis.kernel}) is larger than the padded {name} "
                    f"({axis.size + 2 * axis.pad})",
                )
        top = (*bottoms[0][:2], rows.windows, columns.windows)
        return [top] * len(self.param.top)

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        if len(self.param.top) == 1:
            return [self.pool(bottoms[0], self.method, self.grid)]
        top, position = _max_with_positions(bottoms[0], self.grid)
        return [top, position.to(top.dtype)]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        if len(tops) == 1:
            return [self.pool_before_forward(bottoms[0], self.method, self.grid)]
        # The second top is where Caffe has the positions; -1 stands for a window without values.
        position = tops[1].long().flatten(2)
        chosen = bottoms[0].flatten(2).gather(2, position.clamp_min(0)) * (position >= 0)
        return [chosen.reshape(tops[0].shape), tops[1]]

    def _grid(self, shape: Shape) -> Grid:
        kernel = shape[2:] if self.param.pooling_param.global_pooling else self.kernel
        return Grid(*(self._axis(shape[2 + i], kernel[i], i) for i in (0, 1)))

    def _axis(self, size: int, kernel: int, which: int) -> Axis:
        stride, pad = self.stride[which], self.pad[which]
        span = size + 2 * pad - kernel
        if self.param.pooling_param.round_mode == caffe_pb2.PoolingParameter.FLOOR:
            windows = span // stride + 1
        else:
            windows = -(-span // stride) + 1
        # As in Caffe: with padding in either direction, both are clipped.
        if self.pad != (0, 0) and (windows - 1) * stride >= size + pad:
            windows -= 1
        return Axis(size, kernel, stride, pad, windows)

    def _check_kernel(self) -> None:
        field = self.param.pooling_param
        square = field.HasField("kernel_size")
        each = field.HasField("kernel_h") and field.HasField("kernel_w")
        some = field.HasField("kernel_h") or field.HasField("kernel_w")
        if field.global_pooling:
            if square or some:
                raise self.error("global_pooling takes no kernel size: the kernel is the plane")
        elif square == some or not (square or each):
            raise self.error("expected either kernel_size, or both kernel_h and kernel_w")

    def _check_pad(self) -> None:
        if self.method == STOCHASTIC:
            raise self.error("padding is only for pool: MAX and AVE")
        if self.pad[0] >= self.kernel[0] or self.pad[1] >= self.kernel[1]:
            raise self.error(
                f"pad {self.pad[0]}x{self.pad[1]} must be smaller than the kernel, "
                f"{self.kernel[0]}x{self.kernel[1]}"
            )

    def _pair(self, name: str, pair: str) -> tuple[int, int]:
        field = self.param.pooling_param
        each = field.HasField(f"{pair}_h"), field.HasField(f"{pair}_w")
        if not any(each):
            value = getattr(field, name)
            return value, value
        if field.HasField(name) or not all(each):
            raise self.error(f"expected either {name}, or both {pair}_h and {pair}_w")
        return getattr(field, f"{pair}_h"), getattr(field, f"{pair}_w")


@register("SPP")
class SPP(_Pool):
    """Spatial pyramid pooling: grids of 1x1, 2x2, 4x4, ... windows over the plane, joined.

    Top: (N, C * (1 + 4 + 16 + ...)); with pyramid_height 1, (N, C, 1, 1).
    """

    backward_reads_blobs = False

    exact_bottoms = 1
    exact_tops = 1

    def setup(self, bottoms: Sequence[Shape]) -> None:
        if self.param.spp_param.pyramid_height == 0:
            raise self.error("pyramid_height is missing or 0; expected 1 or more")
        self.levels = self.param.spp_param.pyramid_height

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = bottoms[0]
        require_four_axes(self, 0, shape)
        self.grids = [
            Grid(self._axis(shape[2], level), self._axis(shape[3], level))
            for level in range(self.levels)
        ]
        if self.levels == 1:
            return [(*shape[:2], 1, 1)]
        windows = sum(grid.rows.windows * grid.columns.windows for grid in self.grids)
        return [(shape[0], shape[1] * windows)]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return self._joined(bottoms[0], self.pool)

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        return self._joined(bottoms[0], self.pool_before_forward)

    def _joined(self, bottom: Tensor, pool: Callable[[Tensor, int, Grid], Tensor]) -> list[Tensor]:
        tops = [pool(bottom, self.param.spp_param.pool, grid) for grid in self.grids]
        return tops if self.levels == 1 else [torch.cat([top.flatten(1) for top in tops], 1)]

    def _axis(self, size: int, level: int) -> Axis:
        bins = 2**level
        kernel = -(-size // bins)
        pad = (kernel * bins - size + 1) // 2
        windows = -(-(size + 2 * pad - kernel) // kernel) + 1
        if pad >= kernel:
            raise self.error(
                f"pyramid level {level} cuts {size} rows or columns into {bins} bins, "
                f"so that some are empty; choose a pyramid_height below {level + 1}"
            )
        if pad and (windows - 1) * kernel >= size + pad:
            windows -= 1
        return Axis(size, kernel, kernel, pad, windows)


def _max(bottom: Tensor, grid: Grid) -> Tensor:
    """The largest value under each window."""
    if grid.native_rounding is None:
        return _max_with_positions(bottom, grid)[0]
    bottom = _fast_layout(bottom)
    if bottom.numel() >= _WORTH_FREEING and bottom.requires_grad and torch.is_grad_enabled():
        top: Tensor = apply_function(_MaxPool, bottom, grid)
        return top
    return torch.max_pool2d(
        bottom, grid.kernel, grid.stride, grid.pad, (1, 1), grid.native_rounding
    )


class _MaxPool(torch.autograd.Function):
    """PyTorch's max_pool2d, but the values of the bottom are not kept for the backward pass.

    Only the positions are needed there; PyTorch's own keeps both.
    """

    @staticmethod
    def forward(ctx: Any, bottom: Tensor, grid: Grid) -> Tensor:
        geometry = (grid.kernel, grid.stride, grid.pad, (1, 1), grid.native_rounding)
        top, positions = torch.ops.aten.max_pool2d_with_indices(bottom, *geometry)
        ctx.save_for_backward(positions)
        ctx.geometry, ctx.shape = geometry, bottom.shape
        ctx.layout = _layout(bottom)
        return cast(Tensor, top)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (positions,) = ctx.saved_tensors
        # It stands for the bottom: its shape and layout are looked at, its values are not.
        blank = torch.empty(
            ctx.shape, dtype=grads[0].dtype, device=grads[0].device, memory_format=ctx.layout
        )
        result = torch.ops.aten.max_pool2d_with_indices_backward(
            grads[0], blank, *ctx.geometry, positions
        )
        return result, None


def _layout(blob: Tensor) -> torch.memory_format:
    last = blob.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _max_with_positions(bottom: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """The largest value under each window, and its flat position in the plane."""
    if grid.native_rounding is not None:
        return functional.max_pool2d_with_indices(
            _fast_layout(bottom), grid.kernel, grid.stride, grid.pad, (1, 1), grid.native_rounding
        )
    padded = _fast_layout(grid.padded(bottom, -math.inf))
    top, position = functional.max_pool2d_with_indices(padded, grid.kernel, grid.stride)
    width = padded.shape[3]
    row, column = position // width - grid.rows.pad, position % width - grid.columns.pad
    empty = top == -math.inf
    position = (row * grid.columns.size + column).masked_fill(empty, -1)
    return top.masked_fill(empty, max(-_FLT_MAX, torch.finfo(top.dtype).min)), position


def _average(bottom: Tensor, grid: Grid) -> Tensor:
    """The mean of each window."""
    if grid.covers_all:
        return bottom.mean((2, 3), keepdim=True)
    if grid.native_rounding is not None:
        bottom = _fast_layout(bottom)
        return functional.avg_pool2d(
            bottom, grid.kernel, grid.stride, grid.pad, grid.native_rounding
        )
    padded = _fast_layout(grid.padded(bottom, 0.0))
    sums = functional.avg_pool2d(padded, grid.kernel, grid.stride, divisor_override=1)
    return sums / (grid.rows.divisors(sums)[:, None] * grid.columns.divisors(sums))


def _fast_layout(bottom: Tensor) -> Tensor:
    """On the CPU, PyTorch pools channels_last up to ten times faster: more than a copy costs."""
    if bottom.device.type == "cpu" and bottom.shape[1] >= _CHANNELS_WORTH_A_COPY:
        return bottom.contiguous(memory_format=torch.channels_last)
    return bottom


def _windows(bottom: Tensor, grid: Grid) -> Tensor:
    """(N, C, H, W) -> (N, C, H', W', values under the window in row-major order)."""
    padded = grid.padded(bottom, 0.0)
    rows = padded.unfold(2, grid.rows.kernel, grid.rows.stride)
    return rows.unfold(3, grid.columns.kernel, grid.columns.stride).flatten(4)
