"""Blobs: arrays that can be written and held on to, shapes, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from digits.caffe.blob import Blob, ParamBlob, ReshapedParam, shape_string
from digits.caffe.errors import NetError


def test_data_and_diff_start_as_zeros_of_the_shape() -> None:
    blob = Blob((2, 3))
    assert (blob.data.shape, blob.data.dtype) == ((2, 3), np.float32)
    assert not blob.data.any()
    assert not blob.diff.any()


def test_what_is_written_into_an_array_is_the_blobs_value() -> None:
    blob = Blob((2, 3))
    blob.data[1] = 5
    blob.data.reshape(-1)[0] = 7
    assert blob.tensor().tolist() == [[7, 0, 0], [5, 5, 5]]


def test_held_array_sees_later_values() -> None:
    blob = Blob((2,))
    held = blob.data
    blob.assign(torch.tensor([1.0, 2.0]))
    assert held.tolist() == [1, 2]
    held[0] = 9
    assert blob.tensor().tolist() == [9, 2]


def test_part_of_a_held_array_sees_later_values_too() -> None:
    blob = Blob((2, 2))
    part = blob.data[1]
    blob.assign(torch.ones(2, 2))
    assert part.tolist() == [1, 1]


def test_array_that_nobody_holds_costs_no_copy() -> None:
    blob = Blob((2,))
    blob.data[...] = 1
    tensor = torch.zeros(2)
    blob.assign(tensor)
    assert blob.tensor() is tensor


def test_held_array_of_a_graph_is_a_copy() -> None:
    blob = Blob((2,))
    held = blob.data
    tensor = torch.ones(2, requires_grad=True) * 2
    blob.assign(tensor)
    assert blob.tensor() is tensor
    assert held.tolist() == [2, 2]


def test_pictures_in_channels_last_come_as_caffes_array() -> None:
    blob = Blob()
    values = torch.arange(24.0).reshape(1, 2, 3, 4)
    blob.assign(values.contiguous(memory_format=torch.channels_last))
    assert blob.data.flags.c_contiguous
    assert blob.data.reshape(-1).tolist() == list(range(24))


def test_memory_is_kept_through_smaller_shapes() -> None:
    blob = Blob((2, 3))
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.reshape(1, 2)
    assert blob.data.tolist() == [[0, 1]]
    blob.reshape(3, 2)
    assert blob.data.tolist() == [[0, 1], [2, 3], [4, 5]]
    blob.reshape(7)
    assert blob.data.tolist() == [0] * 7


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, -1), "lengths are 0 or more"),
        ((1,) * 33, "33 axes"),
        ((1 << 16, 1 << 15), "exceeds INT_MAX"),
    ],
)
def test_impossible_shape_is_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(NetError, match=message):
        Blob().reshape(*shape)


def test_old_names_of_axes() -> None:
    blob = Blob((2, 3, 4))
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (2, 3, 4, 1, 24)
    with pytest.raises(NetError, match="Cannot use legacy accessors on Blobs with > 4 axes"):
        _ = Blob((1, 1, 1, 1, 1)).num


@pytest.mark.parametrize("shape", [(1.5, 2), (2.0,), ("3",), ([1, 2],), (None,)])
def test_a_shape_of_other_things_than_whole_numbers_is_refused(shape: tuple[Any, ...]) -> None:
    blob = Blob((2, 3))
    with pytest.raises(TypeError):
        blob.reshape(*shape)
    assert blob.shape == (2, 3)
    blob.reshape(np.int64(4), True)
    assert blob.shape == (4, 1)


def test_shapes_are_written_as_caffe_writes_them() -> None:
    assert (shape_string((20, 1, 28)), shape_string(())) == ("20 1 28 (560)", "(1)")


def _param(*shape: int) -> ParamBlob:
    return ParamBlob(torch.zeros(shape, requires_grad=True))


def test_parameter_array_is_the_memory_of_the_leaf() -> None:
    blob = _param(2, 2)
    held = blob.data
    held[0] = 3
    with torch.no_grad():
        blob.leaf.mul_(2)
    assert held.tolist() == [[6, 6], [0, 0]]


def test_parameter_gradient_is_the_leafs() -> None:
    blob = _param(2)
    (blob.leaf * 3).sum().backward()
    assert blob.diff.tolist() == [3, 3]
    blob.diff[0] = 1
    (blob.leaf * 3).sum().backward()
    assert blob.diff.tolist() == [4, 6]
    held = blob.diff
    blob.clear_diff()
    assert held.tolist() == [0, 0]


def test_reshaped_parameter_shows_its_owner() -> None:
    owner = _param(2, 3)
    other = ReshapedParam(owner, (6,))
    other.data[4] = 5
    assert owner.data.tolist() == [[0, 0, 0], [0, 5, 0]]
    other.diff[0] = 2
    assert owner.diff[0, 0] == 2
    with pytest.raises(NetError, match="cannot be reshaped"):
        other.reshape(2, 3)


def test_reshaped_layer_parameter_keeps_its_first_values() -> None:
    blob = _param(2, 2)
    blob.data[...] = [[1, 2], [3, 4]]
    blob.reshape(3)
    assert blob.data.tolist() == [1, 2, 3]
    assert tuple(blob.leaf.shape) == (3,)
