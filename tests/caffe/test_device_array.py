"""Arrays that are copies of a device's tensors, as on a GPU; here both lie on the CPU, apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from digits.caffe.device_array import DeviceArray


@pytest.fixture
def values() -> DeviceArray:
    made = DeviceArray(apart=True)
    made.assign(torch.arange(6.0).reshape(2, 3))
    return made


def on_device(values: DeviceArray) -> list[list[float]]:
    tensor = values.read()
    assert tensor is not None
    return tensor.tolist()


def test_what_is_written_into_an_array_goes_to_the_device_when_it_is_read(
    values: DeviceArray,
) -> None:
    values.array()[0] = 9
    assert on_device(values) == [[9, 9, 9], [3, 4, 5]]


def test_an_array_that_is_held_can_be_written_again_after_it_was_read(values: DeviceArray) -> None:
    held = values.array()
    held[0] = 9
    values.read()
    held[1] = 8
    assert on_device(values) == [[9, 9, 9], [8, 8, 8]]


def test_an_array_that_is_asked_for_twice_keeps_what_was_written(values: DeviceArray) -> None:
    values.array()[0, 0] = 7
    values.array()[0, 1] = 8
    assert on_device(values)[0] == [7, 8, 2]


def test_looking_does_not_undo_what_the_device_did_since(values: DeviceArray) -> None:
    for held in (values.array(), None):
        assert values.tensor is not None
        values.tensor.mul_(2)
        before = values.tensor.tolist()
        assert on_device(values) == before
        del held


def test_an_array_shows_what_the_device_did_since_it_was_last_asked_for(
    values: DeviceArray,
) -> None:
    held = values.array()
    assert values.tensor is not None
    values.tensor.add_(1)
    assert values.array() is held
    assert held[0].tolist() == [1, 2, 3]


def test_nan_that_nobody_wrote_is_nothing_new(values: DeviceArray) -> None:
    assert values.tensor is not None
    values.tensor.fill_(float("nan"))
    held = values.array()
    values.tensor.fill_(1)
    assert on_device(values) == [[1, 1, 1], [1, 1, 1]]
    assert np.isnan(held).all()


def test_a_new_tensor_is_seen_by_who_holds_the_array(values: DeviceArray) -> None:
    held = values.array()
    values.assign(torch.ones(2, 3))
    assert held.tolist() == [[1, 1, 1]] * 2
    held[0] = 5
    assert on_device(values)[0] == [5, 5, 5]


def test_what_was_written_is_kept_through_a_smaller_shape(values: DeviceArray) -> None:
    values.array()[...] = 4
    values.reshape((1, 2))
    assert values.array().tolist() == [[4, 4]]


@pytest.mark.parametrize("held", [True, False])
def test_cleared_values_are_zero_on_both_sides(values: DeviceArray, held: bool) -> None:
    array = values.array() if held else None
    values.clear()
    assert on_device(values) == [[0, 0, 0]] * 2
    assert array is None or not array.any()


def test_an_array_that_nobody_holds_costs_nothing_once_it_was_read(values: DeviceArray) -> None:
    values.array()[0] = 1
    assert values.has_copy
    values.read()
    assert not values.has_copy


def test_scalars_can_be_written(values: DeviceArray) -> None:
    values.assign(torch.tensor(2.0))
    values.array()[...] = 3
    assert values.read() == 3


def test_an_array_that_is_held_can_be_brought_up_to_date(values: DeviceArray) -> None:
    held = values.array()
    assert values.tensor is not None
    values.tensor.mul_(3)
    values.show()
    assert held.tolist() == [[0, 3, 6], [9, 12, 15]]
