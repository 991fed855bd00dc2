"""Convolution, Deconvolution and Im2col over any number of spatial axes.

Shapes: (N, C, *spatial) -> (N, num_output, *spatial'); `axis` says which axis holds the channels,
all before it are independent items.  A convolution rounds its output size down.
Parameters: weights (num_output, C / group, *kernel), for Deconvolution (C, num_output / group,
*kernel); then, with `bias_term`, the bias (num_output).

One, two and three spatial axes are PyTorch's convolutions, other numbers an explicit unfolding.
`engine` and `force_nd_im2col` choose between implementations in Caffe; here they make no
difference.  Source: base_conv_layer.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from digits.caffe.layers.base import Layer, ParamSlot, Shape, register
from digits.caffe.layers.shapes import (
    bottom_error,
    canonical_axis,
    count,
    require_same_shape,
)

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {
    1: functional.conv1d,
    2: functional.conv2d,
    3: functional.conv3d,
}
_TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


class _Windows(Layer):
    """What the three types share: the geometry of a window that slides over the spatial axes."""

    min_bottoms = 1
    min_tops = 1
    equal_bottoms_tops = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.convolution_param
        shape = bottoms[0]
        self.axis = canonical_axis(self, field.axis, shape)
        self.spatial_axes = len(shape) - self.axis - 1
        self.channels = shape[self.axis]
        self.kernel = self._per_axis("kernel_size", "kernel", None)
        self.stride = self._per_axis("stride", "stride", 1)
        self.pad = self._per_axis("pad", "pad", 0)
        self.dilation = self._per_axis("dilation", None, 1)
        for name, values in (("kernel_size", self.kernel), ("stride", self.stride)):
            if 0 in values:
                raise self.error(f"{name} is {_dims(values)}; expected 1 or more")
        if 0 in self.dilation:
            raise self.error(f"dilation is {_dims(self.dilation)}; expected 1 or more")

    def _per_axis(self, name: str, pair: str | None, default: int | None) -> tuple[int, ...]:
        """A field given once for all spatial axes, once an axis, or as NAME_h and NAME_w."""
        field = self.param.convolution_param
        values = tuple(getattr(field, name))
        if pair and (field.HasField(f"{pair}_h") or field.HasField(f"{pair}_w")):
            if values:
                raise self.error(f"has both {name} and {pair}_h/{pair}_w; keep one of them")
            if self.spatial_axes != 2:
                raise self.error(
                    f"{pair}_h and {pair}_w fit 2 spatial axes; this bottom has "
                    f"{self.spatial_axes}: use {name}, once an axis"
                )
            return getattr(field, f"{pair}_h"), getattr(field, f"{pair}_w")
        if not values and default is not None:
            values = (default,)
        if len(values) not in (1, self.spatial_axes):
            received = f"is given {len(values)} times" if values else "is missing"
            raise self.error(
                f"{name} {received}; expected once, or once for each of the "
                f"{self.spatial_axes} spatial axes"
            )
        return values * self.spatial_axes if len(values) == 1 else values

    def check_bottoms(self, bottoms: Sequence[Shape]) -> None:
        """Raises LayerError unless all bottoms have one shape, with the channels of `setup`."""
        require_same_shape(self, bottoms)
        shape = bottoms[0]
        if len(shape) != self.axis + 1 + self.spatial_axes:
            expected = f"{self.axis + 1 + self.spatial_axes} axes, as when the layer was built"
            raise bottom_error(self, 0, shape, expected)
        if shape[self.axis] != self.channels:
            expected = f"{self.channels} channels in axis {self.axis}, as when the layer was built"
            raise bottom_error(self, 0, shape, expected)

    def extents(self) -> tuple[int, ...]:
        """The window's size in each spatial axis, with the gaps of the dilation."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def overhang(self, shape: Shape) -> tuple[int, ...]:
        """By how much the window is larger than the padded bottom, in each spatial axis; mostly 0.

        Where that is less than the stride, there is one window: Caffe divides a negative number,
        which C++ rounds towards 0.  What it covers beyond the bottom counts as 0.
        """
        sizes = zip(shape[self.axis + 1 :], self.pad, self.extents(), strict=True)
        return tuple(max(0, extent - size - 2 * pad) for size, pad, extent in sizes)

    def window_counts(self, shape: Shape) -> tuple[int, ...]:
        """How many windows fit into each spatial axis; LayerError when it is none."""
        sizes = shape[self.axis + 1 :]
        overhang, extents = self.overhang(shape), self.extents()
        padded = tuple(s + 2 * p for s, p in zip(sizes, self.pad, strict=True))
        if any(beyond >= stride for beyond, stride in zip(overhang, self.stride, strict=True)):
            raise bottom_error(
                self,
                0,
                shape,
                f"at least the kernel's size {_dims(extents)}; with its padding it is "
                f"{_dims(padded)}",
            )
        return tuple(
            max(p - e, 0) // s + 1 for p, e, s in zip(padded, extents, self.stride, strict=True)
        )

    def filled(self, bottom: Tensor) -> Tensor:
        """The bottom (items, channels, *spatial) with zeros behind it where a window hangs over."""
        beyond = self.overhang((*[1] * self.axis, *bottom.shape[1:]))
        if not any(beyond):
            return bottom
        return functional.pad(bottom, [p for size in reversed(beyond) for p in (0, size)])

    def merge_items(self, bottom: Tensor) -> Tensor:
        """The bottom with all axes before the channels merged into one."""
        return bottom if self.axis == 1 else bottom.reshape(-1, *bottom.shape[self.axis :])


class _WeightedWindows(_Windows):
    """Convolution and Deconvolution: windows with weights, groups and a bias."""

    top_may_be_overwritten = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        super().setup(bottoms)
        field = self.param.convolution_param
        self.outputs, self.group = field.num_output, field.group
        if self.outputs == 0:
            raise self.error("num_output is missing or 0; expected 1 or more")
        for name, value in (
            ("channels of the bottom", self.channels),
            ("num_output", self.outputs),
        ):
            if self.group == 0 or value % self.group:
                raise self.error(f"group {self.group} does not divide the {value} {name}")

    def weight_shape(self) -> Shape:
        """The shape of the weights."""
        raise NotImplementedError

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        field = self.param.convolution_param
        slots = [ParamSlot(self.weight_shape(), field.weight_filler)]
        if field.bias_term:
            slots.append(ParamSlot((self.outputs,), field.bias_filler))
        return slots

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        weight = self.params[0]
        bias = self.params[1] if len(self.params) > 1 else None
        return [self._one(bottom, weight, bias) for bottom in bottoms]

    def _one(self, bottom: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        top = self.slide(self.merge_items(bottom), weight, bias)
        return top if self.axis == 1 else top.reshape(*bottom.shape[: self.axis], *top.shape[1:])

    def slide(self, bottom: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The top for a bottom (items, channels, *spatial)."""
        raise NotImplementedError


@register("Convolution")
class Convolution(_WeightedWindows):
    """Each output is the sum of weights times the values under the window, plus the bias."""

    def weight_shape(self) -> Shape:
        return (self.outputs, self.channels // self.group, *self.kernel)

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check_bottoms(bottoms)
        leading = bottoms[0][: self.axis]
        return [(*leading, self.outputs, *self.window_counts(bottoms[0]))] * len(bottoms)

    def slide(self, bottom: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        bottom = self.filled(bottom)
        convolve = _CONVOLUTIONS.get(self.spatial_axes)
        if convolve is not None:
            if self.context.channels_last and _is_grey(bottom):
                bottom = _as_channels_last(bottom)
            return convolve(bottom, weight, bias, self.stride, self.pad, self.dilation, self.group)
        windows = _unfold(bottom, self.kernel, self.stride, self.pad, self.dilation)
        items, _, _, *sizes = windows.shape
        columns = windows.reshape(items, self.group, -1, count(sizes))
        matrix = weight.reshape(self.group, self.outputs // self.group, -1)
        top = (matrix @ columns).reshape(items, self.outputs, *sizes)
        return top if bias is None else top + bias.reshape(-1, *[1] * self.spatial_axes)


@register("Deconvolution")
class Deconvolution(_WeightedWindows):
    """The transpose of a convolution: each value spreads the weights over a window of the top.

    Output size: stride * (size - 1) + kernel - 2 * pad.
    """

    def weight_shape(self) -> Shape:
        return (self.channels, self.outputs // self.group, *self.kernel)

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check_bottoms(bottoms)
        shape = bottoms[0]
        sizes = tuple(
            stride * (size - 1) + extent - 2 * pad
            for size, stride, extent, pad in zip(
                shape[self.axis + 1 :], self.stride, self.extents(), self.pad, strict=True
            )
        )
        if any(size < 1 for size in sizes):
            raise bottom_error(
                self, 0, shape, f"a size that leaves a top; this pad makes it {_dims(sizes)}"
            )
        return [(*shape[: self.axis], self.outputs, *sizes)] * len(bottoms)

    def slide(self, bottom: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        transposed = _TRANSPOSED.get(self.spatial_axes)
        if transposed is not None:
            return transposed(
                bottom, weight, bias, self.stride, self.pad, 0, self.group, self.dilation
            )
        items, _, *sizes = bottom.shape
        values = bottom.reshape(items, self.group, self.channels // self.group, count(sizes))
        matrix = weight.reshape(self.group, self.channels // self.group, -1)
        columns = (matrix.transpose(1, 2) @ values).reshape(items, self.outputs, -1, *sizes)
        top = _fold(columns, self.kernel, self.stride, self.pad, self.dilation)
        return top if bias is None else top + bias.reshape(-1, *[1] * self.spatial_axes)


@register("Im2col")
class Im2col(_Windows):
    """The values under each window, stacked: (N, C, *spatial) -> (N, C * kernel, *windows)."""

    exact_bottoms = 1
    exact_tops = 1

    def setup(self, bottoms: Sequence[Shape]) -> None:
        super().setup(bottoms)
        if self.spatial_axes == 0:
            raise bottom_error(self, 0, bottoms[0], "spatial axes behind the channels")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check_bottoms(bottoms)
        shape = bottoms[0]
        columns = self.channels * count(self.kernel)
        return [(*shape[: self.axis], columns, *self.window_counts(shape))]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        bottom = bottoms[0]
        merged = self.filled(self.merge_items(bottom))
        windows = _unfold(merged, self.kernel, self.stride, self.pad, self.dilation)
        sizes = windows.shape[3:]
        return [windows.reshape(*bottom.shape[: self.axis], -1, *sizes)]


def _is_grey(bottom: Tensor) -> bool:
    """Whether these are pictures of one channel, which have both memory formats at once."""
    return bottom.dim() == 4 and bottom.shape[1] == 1 and not bottom.requires_grad


def _as_channels_last(bottom: Tensor) -> Tensor:
    """The same memory with the strides of channels_last, so that PyTorch goes on in that format.

    Of two formats it would choose the other one, which makes LeNet's first layers half as fast.
    """
    items, channels, height, width = bottom.shape
    strides = (channels * height * width, 1, width * channels, channels)
    return bottom.contiguous().as_strided((items, channels, height, width), strides)


def _unfold(
    bottom: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """(items, channels, *spatial) -> (items, channels, window positions, *windows)."""
    padded = functional.pad(bottom, [p for size in reversed(pad) for p in (size, size)])
    sizes = padded.shape[2:]
    index, windows = _window_index(sizes, kernel, stride, dilation, bottom.device)
    values = padded.flatten(2) if sizes else padded.unsqueeze(2)
    return values.index_select(2, index).reshape(*bottom.shape[:2], count(kernel), *windows)


def _fold(
    columns: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """The transpose of `_unfold`: adds each window's values to where they came from."""
    items, channels, _, *windows = columns.shape
    sizes = [
        s * (n - 1) + d * (k - 1) + 1
        for n, k, s, d in zip(windows, kernel, stride, dilation, strict=True)
    ]
    index, _ = _window_index(sizes, kernel, stride, dilation, columns.device)
    total = columns.new_zeros(items, channels, count(sizes))
    total = total.index_add(2, index, columns.reshape(items, channels, -1)).reshape(
        items, channels, *sizes
    )
    for axis, p in enumerate(pad):
        total = total.narrow(2 + axis, p, sizes[axis] - 2 * p)
    return total


def _window_index(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    device: Any,
) -> tuple[Tensor, list[int]]:
    """The flat positions under all windows, (window positions * windows), and the window counts."""
    axes = len(sizes)
    index = torch.zeros([1] * (2 * axes), dtype=torch.int64, device=device)
    windows = []
    for axis in range(axes):
        k, s, d = kernel[axis], stride[axis], dilation[axis]
        windows.append((sizes[axis] - d * (k - 1) - 1) // s + 1)
        step = math.prod(sizes[axis + 1 :])
        inside = torch.arange(k, device=device) * (d * step)
        starts = torch.arange(windows[-1], device=device) * (s * step)
        index = index + inside.reshape([-1 if i == axis else 1 for i in range(2 * axes)])
        index = index + starts.reshape([-1 if i == axes + axis else 1 for i in range(2 * axes)])
    return index.reshape(-1), windows


def _dims(values: Sequence[int]) -> str:
    return "x".join(map(str, values))
