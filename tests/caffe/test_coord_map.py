"""Maps of coordinates between blobs: values recorded from pycaffe 1.0 (Caffe 1.0.0)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from digits.caffe.coord_map import (
    AxisMismatchException,
    CropError,
    compose,
    coord_map_from_to,
    crop,
    inverse,
)
from digits.caffe.net_spec import Top
from digits.caffe.net_spec import layers as L


def three_layers(data: Top, pad: int = 0) -> Top:
    conv = L.Convolution(data, num_output=10, kernel_size=5, stride=2, pad=pad)
    top: Top = L.ReLU(L.Pooling(conv, kernel_size=2, stride=2, pad=0))
    return top


def assert_map(top_from: Top, top_to: Top, axis: int, scale: Any, shift: Any) -> None:
    got_axis, got_scale, got_shift = coord_map_from_to(top_from, top_to)
    assert got_axis == axis
    np.testing.assert_allclose(got_scale, scale)
    np.testing.assert_allclose(got_shift, shift)


def test_windows_scale_and_shift_both_ways() -> None:
    data = L.Input()
    top = three_layers(data)
    assert_map(top, data, 1, [4.0], [3.0])
    assert_map(data, top, 1, [0.25], [-0.75])


def test_deconvolution_undoes_the_stride() -> None:
    data = L.Input()
    up = L.Deconvolution(three_layers(data, pad=100), kernel_size=6, stride=4, pad=1)
    assert_map(up, data, 1, [1.0], [-98.5])


def test_each_axis_has_its_own_map() -> None:
    data = L.Input()
    sizes = {"kernel_size": [3, 5, 7], "stride": [1, 2, 3], "pad": [0, 1, 2]}
    for fields in (sizes, {"convolution_param": sizes}):
        assert_map(L.Convolution(data, axis=1, **fields), data, 1, [1, 2, 3], [1, 1, 1])


def test_crops_add_up() -> None:
    data = L.Input()
    top = L.Crop(L.Crop(data, data, offset=3), data, axis=2, offset=[4, 7])
    assert_map(top, data, 1, 1, [7, 10])


def test_crop_aligns_with_the_dilated_kernel() -> None:
    data = L.Input()
    conv = L.Convolution(data, kernel_size=3, pad=100, dilation=4, stride=1)
    layer = crop(conv, data).to_proto().layer[-1]
    assert layer.type == "Crop"
    assert list(layer.bottom) == ["Convolution1", "Input1"]
    assert (layer.crop_param.axis, list(layer.crop_param.offset)) == (2, [96])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kernel_size": 3, "stride": 2}, "scale mismatch"),
        ({"kernel_size": 3}, "cannot crop negative offset"),
        ({"kernel_size": 4, "pad": 30}, "cannot crop noninteger offset"),
        ({"kernel_h": 3, "kernel_w": 3}, "does not support the fields kernel_h, kernel_w"),
        ({}, "no kernel_size"),
    ],
)
def test_crops_that_cannot_be(fields: dict[str, int], message: str) -> None:
    data = L.Input()
    top = L.Convolution(data, **fields)
    with pytest.raises(CropError, match=message):
        crop(top, data)
    # What pycaffe raises, for scripts that catch it.
    assert issubclass(CropError, AssertionError)


@pytest.mark.parametrize(
    "connect", [lambda data: L.Input(), lambda data: L.InnerProduct(data, num_output=2)]
)
def test_tops_without_spatial_connection(connect: Callable[[Top], Top]) -> None:
    data = L.Input()
    with pytest.raises(RuntimeError, match="connected by spatial layers"):
        coord_map_from_to(connect(data), data)


def test_axes_that_differ() -> None:
    data = L.Input()
    below = L.Convolution(data, kernel_size=4, axis=2)
    with pytest.raises(AxisMismatchException, match="axis 1 does not match axis 2"):
        coord_map_from_to(L.Convolution(below, kernel_size=4), data)


def test_a_map_composed_with_its_inverse_is_the_identity() -> None:
    there = (1, 4.0, 3.0)
    assert compose(inverse(there), there) == (1, 1.0, 0.0)
