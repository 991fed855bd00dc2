"""How coordinates of one blob relate to those of another, through the layers between them.

A map is (axis, scale, shift): position x of the upper blob lies over `scale * x + shift` of the
lower one, for the spatial axes that follow `axis` (None: whichever).  Scale and shift are numbers
or arrays with a value an axis.  `crop` uses it to align two tops of a NetSpec, as fully
convolutional nets need.

In: tops of `net_spec`.  Free of torch.  Source: the arithmetic of convolution, after pycaffe 1.0's
module of this name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from digits.caffe.net_spec import Function, Top
from digits.caffe.net_spec import layers as L

Number = int | float | npt.NDArray[Any]
CoordMap = tuple[int | None, Number, Number]

_IDENTITY: CoordMap = (None, 1, 0)
# fmt: off
PASS_THROUGH_LAYERS = frozenset([
    "AbsVal", "BatchNorm", "Bias", "BNLL", "Clip", "Dropout", "Eltwise", "ELU", "Exp", "Log", "LRN",
    "MVN", "Power", "PReLU", "ReLU", "Scale", "Sigmoid", "Split", "Swish", "TanH", "Threshold",
])
# fmt: on
_WINDOWED = frozenset(["Convolution", "Pooling", "Im2col"])


class UndefinedMapException(Exception):
    """The layer has no map of coordinates, such as InnerProduct."""


class AxisMismatchException(Exception):
    """Two maps speak of different axes."""


class CropError(ValueError, AssertionError):
    """Two tops cannot be aligned by cropping.  pycaffe raises AssertionError here; so it is one."""


def conv_params(fn: Function) -> tuple[int, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """(axis, stride, kernel, pad) of a windowed layer; the kernel with its dilation.

    Raises CropError when sizes are given by the old `_h` and `_w` fields.
    """
    params = _own_params(fn, "convolution_param", "pooling_param")
    legacy = [name for name in params if name.endswith(("_h", "_w"))]
    if legacy:
        raise CropError(
            f"cropping does not support the fields {', '.join(sorted(legacy))} of "
            f"{fn.type_name}; give kernel_size, stride and pad as lists instead"
        )
    if "kernel_size" not in params:
        raise CropError(f"{fn.type_name} has no kernel_size, so its map is unknown")
    kernel = np.array(params["kernel_size"], ndmin=1)
    dilation = np.array(params.get("dilation", 1), ndmin=1)
    stride = np.array(params.get("stride", 1), ndmin=1)
    pad = np.array(params.get("pad", 0), ndmin=1)
    return params.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple[int, npt.NDArray[Any]]:
    """(axis, offset) of a Crop layer."""
    params = _own_params(fn, "crop_param")
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def _own_params(fn: Function, *messages: str) -> dict[str, Any]:
    """The fields of the layer's own message, whether given directly or as that message."""
    for name in messages:
        if name in fn.params:
            return dict(fn.params[name])
    return fn.params


def coord_map(fn: Function) -> CoordMap:
    """The map from a layer's first bottom to its top, UndefinedMapException if it has none."""
    if fn.type_name in _WINDOWED:
        axis, stride, kernel, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (kernel - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, kernel, pad = conv_params(fn)
        return axis, stride, (kernel - 1) / 2 - pad
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        # A window's axis is the channels', the last one without coordinates; Crop's is the first
        # one with them.
        return axis - 1, 1, -offset
    if fn.type_name in PASS_THROUGH_LAYERS:
        return _IDENTITY
    raise UndefinedMapException(f"{fn.type_name} layers have no map of coordinates")


def compose(base_map: CoordMap, next_map: CoordMap) -> CoordMap:
    """`base_map` after `next_map`.  Raises AxisMismatchException."""
    base_axis, base_scale, base_shift = base_map
    next_axis, next_scale, next_shift = next_map
    if None not in (base_axis, next_axis) and base_axis != next_axis:
        raise AxisMismatchException(f"axis {base_axis} does not match axis {next_axis}")
    axis = next_axis if base_axis is None else base_axis
    return axis, base_scale * next_scale, base_scale * next_shift + base_shift


def inverse(coord_map: CoordMap) -> CoordMap:
    """The map the other way."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> CoordMap:
    """The map between two tops, by the first blob that both come from.

    Raises RuntimeError when no layers with maps connect them, AxisMismatchException when those that
    do speak of different axes.
    """
    from_maps = {top_from: _IDENTITY}
    _walk_down(from_maps, top_from, set())
    to_maps = {top_to: _IDENTITY}
    common = _walk_down(to_maps, top_to, set(from_maps))
    if common is None:
        raise RuntimeError(
            "Could not compute map between tops; are they connected by spatial layers?"
        )
    return compose(to_maps[common], inverse(from_maps[common]))


def _walk_down(maps: dict[Top, CoordMap], start: Top, goals: set[Top]) -> Top | None:
    """Fill in the maps of everything below `start`; the first of `goals` met ends the walk."""
    frontier = [start]
    while frontier:
        top = frontier.pop()
        if top in goals:
            return top
        # A Crop's second bottom only lends its size.
        bottoms = top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs
        try:
            step = coord_map(top.fn)
        except UndefinedMapException:
            continue
        for bottom in bottoms:
            if bottom not in maps:
                maps[bottom] = compose(maps[top], step)
                frontier.append(bottom)
    return None


def crop(top_from: Top, top_to: Top) -> Top:
    """A Crop layer that aligns `top_from` with `top_to`.

    Raises CropError when their scales differ, or the offset is negative or no whole number.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    scales, shifts = np.array(scale, ndmin=1), np.array(shift, ndmin=1)
    if not (scales == 1).all():
        raise CropError(f"scale mismatch on crop (scale = {scale})")
    if not (shifts <= 0).all():
        raise CropError(f"cannot crop negative offset (shift = {shift})")
    if not (np.round(shifts) == shifts).all():
        raise CropError(f"cannot crop noninteger offset (shift = {shift})")
    # Between blobs that no window separates, the first spatial axis of an image is meant.
    first_axis = 2 if axis is None else axis + 1
    offset = [int(value) for value in -np.round(shifts)]
    top: Top = L.Crop(top_from, top_to, crop_param={"axis": first_axis, "offset": offset})
    return top
