"""Arithmetic on shapes that many layers share, and the messages for shapes that do not fit.

Blobs are written as Caffe writes them, `2 3 6 6 (216)`: the axes, then the number of values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import Layer, Shape

# The four axes that Caffe's older layers count in: num, channels, height, width.
LEGACY_AXES = 4


def count(shape: Sequence[int]) -> int:
    """The number of values in a blob of this shape (1 for a scalar, which has no axes)."""
    return math.prod(shape)


def show(shape: Sequence[int]) -> str:
    """A shape as messages show it: `2 3 6 6 (216)`."""
    return " ".join(map(str, [*shape, f"({count(shape)})"]))


def bottom_name(layer: Layer, index: int) -> str:
    """The name of a bottom as messages show it."""
    names = layer.param.bottom
    return repr(names[index]) if index < len(names) else f"number {index}"


def bottom_error(layer: Layer, index: int, shape: Sequence[int], expected: str) -> LayerError:
    """The error for a bottom whose shape does not fit; `expected` says what would."""
    return layer.error(
        f"bottom {bottom_name(layer, index)} has the shape {show(shape)}; expected {expected}"
    )


def canonical_axis(layer: Layer, axis: int, shape: Sequence[int], field: str = "axis") -> int:
    """The axis counted from the front; negative ones count from the end.

    Raises LayerError when the first bottom's shape has no such axis.
    """
    if not -len(shape) <= axis < len(shape):
        raise layer.error(
            f"{field} {axis} is out of range: bottom {bottom_name(layer, 0)} has "
            f"{len(shape)} axes, shape {show(shape)}"
        )
    return axis % len(shape)


def legacy_dim(layer: Layer, index: int, shape: Sequence[int], axis: int) -> int:
    """`num`, `channels`, `height` or `width` (axis 0 to 3) of a bottom; missing axes count as 1.

    Raises LayerError for a bottom of more than four axes, which has no such names.
    """
    if len(shape) > LEGACY_AXES:
        raise bottom_error(layer, index, shape, "at most 4 axes (num, channels, height, width)")
    return shape[axis] if axis < len(shape) else 1


def require_same_shape(layer: Layer, bottoms: Sequence[Shape]) -> None:
    """Raises LayerError unless all bottoms have the first one's shape."""
    for index, shape in enumerate(bottoms):
        if shape != bottoms[0]:
            first = f"{show(bottoms[0])} like bottom {bottom_name(layer, 0)}"
            raise bottom_error(layer, index, shape, first)


def require_four_axes(layer: Layer, index: int, shape: Shape) -> None:
    """Raises LayerError unless the bottom is a stack of pictures."""
    if len(shape) != LEGACY_AXES:
        raise bottom_error(layer, index, shape, "4 axes (num, channels, height, width)")
