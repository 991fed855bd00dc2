"""Layers that only rearrange values: Concat, Slice, Split, Flatten, Reshape, Tile, Crop, Silence.

Source: the *_layer.cpp of the same names.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from digits.caffe.layers.base import Layer, Shape, register
from digits.caffe.layers.shapes import (
    bottom_error,
    bottom_name,
    canonical_axis,
    count,
    show,
)


@register("Concat")
class Concat(Layer):
    """The bottoms joined along `axis` (or the old `concat_dim`); the other axes must agree."""

    min_bottoms = 1
    exact_tops = 1
    top_may_be_overwritten = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.concat_param
        if field.HasField("axis") and field.HasField("concat_dim"):
            raise self.error("has both axis and concat_dim; keep axis")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        field, first = self.param.concat_param, bottoms[0]
        if field.HasField("concat_dim"):
            self.axis = canonical_axis(self, field.concat_dim, first, "concat_dim")
        else:
            self.axis = canonical_axis(self, field.axis, first)
        for index, shape in enumerate(bottoms):
            if len(shape) != len(first) or _without(shape, self.axis) != _without(first, self.axis):
                expected = f"{show(first)} like bottom {bottom_name(self, 0)}, but for axis"
                raise bottom_error(self, index, shape, f"{expected} {self.axis}")
        joined = sum(shape[self.axis] for shape in bottoms)
        return [(*first[: self.axis], joined, *first[self.axis + 1 :])]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return [torch.cat(list(bottoms), self.axis)]


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


@register("Slice")
class Slice(Layer):
    """The bottom cut along `axis` (or the old `slice_dim`): at the slice points, or evenly."""

    exact_bottoms = 1
    min_tops = 1
    top_may_be_overwritten = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.slice_param
        if field.HasField("axis") and field.HasField("slice_dim"):
            raise self.error("has both axis and slice_dim; keep axis")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        field, shape = self.param.slice_param, bottoms[0]
        if field.HasField("slice_dim"):
            self.axis = canonical_axis(self, field.slice_dim, shape, "slice_dim")
        else:
            self.axis = canonical_axis(self, field.axis, shape)
        self.sizes = self._sizes(shape)
        return [(*shape[: self.axis], size, *shape[self.axis + 1 :]) for size in self.sizes]

    def _sizes(self, shape: Shape) -> list[int]:
        whole, tops = shape[self.axis], len(self.param.top)
        points = list(self.param.slice_param.slice_point)
        if not points:
            if whole % tops:
                expected = f"a size in axis {self.axis} that {tops} tops divide evenly"
                raise bottom_error(self, 0, shape, expected)
            return [whole // tops] * tops
        if len(points) != tops - 1:
            raise self.error(f"has {len(points)} slice points for {tops} tops; expected {tops - 1}")
        edges = [0, *points, whole]
        sizes = [end - start for start, end in zip(edges, edges[1:], strict=False)]
        if any(size < 1 for size in sizes):
            raise bottom_error(
                self,
                0,
                shape,
                f"slice points that rise and stay below its size in axis {self.axis}; "
                f"they are {', '.join(map(str, points))}",
            )
        return sizes

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        # Copies as in Caffe: whoever writes into a top must not find that in the bottom.
        return [part.clone() for part in torch.split(bottoms[0], self.sizes, self.axis)]


@register("Split")
class Split(Layer):
    """Every top is the bottom; the gradients of the tops are added."""

    exact_bottoms = 1
    min_tops = 1

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]] * len(self.param.top)

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return [bottoms[0].view_as(bottoms[0]) for _ in self.param.top]


@register("Flatten")
class Flatten(Layer):
    """The axes from `axis` to `end_axis` merged into one."""

    exact_bottoms = 1
    exact_tops = 1
    allows_in_place = False

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        field, shape = self.param.flatten_param, bottoms[0]
        start = canonical_axis(self, field.axis, shape)
        end = canonical_axis(self, field.end_axis, shape, "end_axis")
        if end < start - 1:
            raise self.error(f"end_axis {field.end_axis} lies before axis {field.axis}")
        self.shape = (*shape[:start], count(shape[start : end + 1]), *shape[end + 1 :])
        return [self.shape]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return [bottoms[0].reshape(self.shape)]


@register("Reshape")
class Reshape(Layer):
    """The axes from `axis` on, `num_axes` of them, replaced by those of `shape`.

    A 0 in `shape` keeps the bottom's size, one -1 takes what is left.
    """

    exact_bottoms = 1
    exact_tops = 1
    allows_in_place = False

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.reshape_param
        if field.num_axes < -1:
            raise self.error(f"num_axes is {field.num_axes}; expected -1 or more")
        wrong = [size for size in field.shape.dim if size < -1]
        if wrong:
            raise self.error(f"shape has the size {wrong[0]}; expected -1, 0 or more")
        if list(field.shape.dim).count(-1) > 1:
            raise self.error("shape has more than one -1; only one size can be worked out")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        field, shape = self.param.reshape_param, bottoms[0]
        # A negative axis counts from behind the last one: -1 appends.
        start = field.axis if field.axis >= 0 else len(shape) + field.axis + 1
        if not 0 <= start <= len(shape):
            raise bottom_error(self, 0, shape, f"an axis {field.axis} to start from")
        end = len(shape) if field.num_axes == -1 else start + field.num_axes
        if end > len(shape):
            expected = f"{field.num_axes} axes (num_axes) from axis {start} on"
            raise bottom_error(self, 0, shape, expected)
        new = self._filled_in(shape, start)
        self.shape = (*shape[:start], *new, *shape[end:])
        if -1 in self.shape:
            self._infer(shape)
        if count(self.shape) != count(shape):
            expected = f"as many values as its new shape {show(self.shape)}"
            raise bottom_error(self, 0, shape, expected)
        return [self.shape]

    def _filled_in(self, shape: Shape, start: int) -> list[int]:
        new = list(self.param.reshape_param.shape.dim)
        for index, size in enumerate(new):
            if size == 0:
                if start + index >= len(shape):
                    expected = f"an axis {start + index}, whose size the 0 in `shape` keeps"
                    raise bottom_error(self, 0, shape, expected)
                new[index] = shape[start + index]
        return new

    def _infer(self, shape: Shape) -> None:
        known = -count(self.shape)
        if known == 0 or count(shape) % known:
            expected = f"a number of values that the other sizes of its new shape ({known}) divide"
            raise bottom_error(self, 0, shape, expected)
        self.shape = tuple(count(shape) // known if s == -1 else s for s in self.shape)

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return [bottoms[0].reshape(self.shape)]


@register("Tile")
class Tile(Layer):
    """The bottom repeated `tiles` times along `axis`."""

    exact_bottoms = 1
    exact_tops = 1

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.tile_param
        if field.tiles < 1:
            raise self.error(f"tiles is {field.tiles}; expected 1 or more")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        field, shape = self.param.tile_param, bottoms[0]
        self.axis = canonical_axis(self, field.axis, shape)
        return [(*shape[: self.axis], shape[self.axis] * field.tiles, *shape[self.axis + 1 :])]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        bottom = bottoms[0]
        repeats = [1] * bottom.dim()
        repeats[self.axis] = self.param.tile_param.tiles
        return [bottom.repeat(repeats)]


@register("Crop")
class Crop(Layer):
    """The first bottom cut to the second one's size in the axes from `axis` on.

    `offset` says where the cut starts: once for all these axes, or once for each.
    """

    exact_bottoms = 2
    exact_tops = 1
    top_may_be_overwritten = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        given = len(self.param.crop_param.offset)
        axes = len(bottoms[0]) - canonical_axis(self, self.param.crop_param.axis, bottoms[0])
        if given > 1 and given != axes:
            raise self.error(f"offset is given {given} times; expected once, or {axes} times")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        field, shape, reference = self.param.crop_param, bottoms[0], bottoms[1]
        start = canonical_axis(self, field.axis, shape)
        if len(reference) < len(shape):
            raise bottom_error(self, 1, reference, f"{len(shape)} axes, like the first bottom")
        offsets = list(field.offset) or [0]
        self.cuts = []
        for axis in range(start, len(shape)):
            offset = offsets[axis - start] if len(offsets) > 1 else offsets[0]
            if shape[axis] - offset < reference[axis]:
                expected = f"at least {reference[axis]} + {offset} (size and offset) in axis {axis}"
                raise bottom_error(self, 0, shape, expected)
            self.cuts.append((axis, offset, reference[axis]))
        return [(*shape[:start], *reference[start : len(shape)])]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        top = bottoms[0]
        for axis, offset, size in self.cuts:
            top = top.narrow(axis, offset, size)
        return [top.clone()]

    def accepts_gradient(self, index: int) -> bool:
        return index == 0

    def refuses_gradient(self, index: int) -> bool:
        # Caffe's passes the reference over.
        return False


@register("Silence")
class Silence(Layer):
    """Takes bottoms that nobody else wants; no tops, gradients of zero."""

    min_bottoms = 1
    exact_tops = 0

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return []

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return []
