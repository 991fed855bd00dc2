"""Layers that rearrange values against NumPy, over many shapes; and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from digits.caffe.errors import LayerError
from tests.caffe.layers.harness import build_layer, noise, run
from tests.selection import examples

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)


def pick_axis(data: st.DataObject, axes: int) -> tuple[int, str]:
    """An axis, and how the prototxt may say it: from the front or from the end."""
    axis = data.draw(st.integers(0, axes - 1))
    return axis, str(data.draw(st.sampled_from([axis, axis - axes])))


@settings(max_examples=examples(60), deadline=None)
@given(shape=shapes, data=st.data())
def test_reshape_keeps_the_values_in_order(shape: tuple[int, ...], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(shape)))
    end = data.draw(st.integers(start, len(shape)))
    inner = math.prod(shape[start:end])
    first = data.draw(st.sampled_from([d for d in range(1, inner + 1) if inner % d == 0]))
    new = [first, inner // first]
    asked = list(new)
    if data.draw(st.booleans()):
        asked[data.draw(st.integers(0, 1))] = -1
    elif start < len(shape) and shape[start] == first:
        asked[0] = 0
    axis = data.draw(st.sampled_from([start, start - len(shape) - 1]))
    count = data.draw(st.sampled_from([end - start, -1])) if end == len(shape) else end - start
    dims = " ".join(f"dim: {size}" for size in asked)
    text = f'type: "Reshape" reshape_param {{ axis: {axis} num_axes: {count} shape {{ {dims} }} }}'
    bottom = noise(*shape)
    (top,) = run(build_layer(text, shape), bottom)
    expected = bottom.numpy().reshape(*shape[:start], *new, *shape[end:])
    np.testing.assert_array_equal(top.numpy(), expected)


@settings(max_examples=examples(30), deadline=None)
@given(shape=shapes, data=st.data())
def test_flatten_merges_axes(shape: tuple[int, ...], data: st.DataObject) -> None:
    start, start_text = pick_axis(data, len(shape))
    end, end_text = pick_axis(data, len(shape))
    assume(start <= end)
    text = f'type: "Flatten" flatten_param {{ axis: {start_text} end_axis: {end_text} }}'
    bottom = noise(*shape)
    (top,) = run(build_layer(text, shape), bottom)
    expected = bottom.numpy().reshape(*shape[:start], -1, *shape[end + 1 :])
    np.testing.assert_array_equal(top.numpy(), expected)


@settings(max_examples=examples(30), deadline=None)
@given(shape=shapes, data=st.data())
def test_concat_and_slice_are_each_others_inverse(
    shape: tuple[int, ...], data: st.DataObject
) -> None:
    axis, text = pick_axis(data, len(shape))
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    bottoms = [noise(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    concat = build_layer(
        f'type: "Concat" concat_param {{ axis: {text} }}', *(b.shape for b in bottoms)
    )
    (joined,) = run(concat, *bottoms)
    np.testing.assert_array_equal(
        joined.numpy(), np.concatenate([b.numpy() for b in bottoms], axis)
    )
    points = " ".join(f"slice_point: {point}" for point in np.cumsum(sizes)[:-1])
    layer = build_layer(
        f'type: "Slice" slice_param {{ axis: {text} {points} }}', joined.shape, tops=len(sizes)
    )
    for part, bottom in zip(run(layer, joined), bottoms, strict=True):
        torch.testing.assert_close(part, bottom, rtol=0, atol=0)


@settings(max_examples=examples(30), deadline=None)
@given(shape=shapes, data=st.data())
def test_tile_repeats_along_an_axis(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis, text = pick_axis(data, len(shape))
    tiles = data.draw(st.integers(1, 3))
    bottom = noise(*shape)
    layer = build_layer(f'type: "Tile" tile_param {{ axis: {text} tiles: {tiles} }}', shape)
    expected = np.concatenate([bottom.numpy()] * tiles, axis)
    np.testing.assert_array_equal(run(layer, bottom)[0].numpy(), expected)


@settings(max_examples=examples(30), deadline=None)
@given(shape=shapes, data=st.data())
def test_crop_cuts_to_the_size_of_the_second_bottom(
    shape: tuple[int, ...], data: st.DataObject
) -> None:
    axis, text = pick_axis(data, len(shape))
    reference = [data.draw(st.integers(1, size)) for size in shape]
    offsets = [data.draw(st.integers(0, s - r)) for s, r in zip(shape, reference, strict=True)]
    given_offsets = " ".join(f"offset: {offset}" for offset in offsets[axis:])
    bottom = noise(*shape)
    layer = build_layer(
        f'type: "Crop" crop_param {{ axis: {text} {given_offsets} }}', shape, reference
    )
    cuts = [
        slice(o, o + r) if index >= axis else slice(None)
        for index, (o, r) in enumerate(zip(offsets, reference, strict=True))
    ]
    top = run(layer, bottom, noise(*reference))[0]
    np.testing.assert_array_equal(top.numpy(), bottom.numpy()[tuple(cuts)])


def test_flatten_of_channels_last_keeps_caffes_order() -> None:
    bottom = noise(2, 3, 4, 5)
    layer = build_layer('type: "Flatten"', bottom.shape)
    (top,) = run(layer, bottom.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(top, bottom.flatten(1), rtol=0, atol=0)


def test_concat_keeps_channels_last() -> None:
    bottom = noise(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    (top,) = run(build_layer('type: "Concat"', bottom.shape, bottom.shape), bottom, bottom)
    assert top.is_contiguous(memory_format=torch.channels_last)


def test_split_adds_the_gradients_of_its_tops() -> None:
    bottom = noise(2, 3).requires_grad_()
    first, second = run(build_layer('type: "Split"', (2, 3), tops=2), bottom)
    (2 * first + 3 * second).sum().backward()
    assert bottom.grad is not None
    torch.testing.assert_close(bottom.grad, torch.full((2, 3), 5.0))


@pytest.mark.parametrize(
    ("text", "tops"),
    [
        ('type: "Slice" slice_param { axis: 0 }', 2),
        ('type: "Crop" crop_param { axis: 0 }', 1),
        ('type: "Concat"', 1),
        ('type: "Tile" tile_param { tiles: 1 }', 1),
        ('type: "Dropout"', 1),
    ],
)
def test_writing_into_a_top_leaves_the_bottom_alone(text: str, tops: int) -> None:
    bottom = noise(2, 3)
    before = bottom.clone()
    second = [(1, 3)] if "Crop" in text else []
    layer = build_layer(text, (2, 3), *second, tops=tops)
    for top in run(layer, bottom, *(noise(*shape) for shape in second)):
        top.fill_(7)
    torch.testing.assert_close(bottom, before, rtol=0, atol=0)


def test_silence_has_no_tops() -> None:
    assert run(build_layer('type: "Silence"', (2, 3), (4,), tops=0), noise(2, 3), noise(4)) == []


REFUSED = [
    ('type: "Reshape" reshape_param { shape { dim: 5 dim: -1 } }', "the other sizes of its new"),
    ('type: "Reshape" reshape_param { shape { dim: -1 dim: -1 } }', "more than one -1"),
    ('type: "Reshape" reshape_param { shape { dim: -2 } }', "shape has the size -2"),
    ('type: "Reshape" reshape_param { shape { dim: 7 } }', "as many values as its new shape 7 (7)"),
    (
        'type: "Reshape" reshape_param { axis: 1 shape { dim: 1 dim: 1 dim: 0 } }',
        "an axis 3, whose",
    ),
    ('type: "Reshape" reshape_param { axis: 5 }', "expected an axis 5 to start from"),
    ('type: "Reshape" reshape_param { axis: 2 num_axes: 2 }', "expected 2 axes (num_axes) from"),
    ('type: "Reshape" reshape_param { num_axes: -2 }', "num_axes is -2; expected -1 or more"),
    ('type: "Flatten" flatten_param { axis: 3 }', "axis 3 is out of range: bottom 'b0' has 3 axes"),
    ('type: "Flatten" flatten_param { axis: 2 end_axis: 0 }', "end_axis 0 lies before axis 2"),
    ('type: "Slice" top: "u"', "a size in axis 1 that 2 tops divide evenly"),
    (
        'type: "Slice" slice_param { slice_point: 1 slice_point: 2 }',
        "has 2 slice points for 1 tops",
    ),
    (
        'type: "Slice" top: "u" slice_param { slice_point: 3 }',
        "slice points that rise and stay below its size in axis 1; they are 3",
    ),
    (
        'type: "Slice" slice_param { axis: 1 slice_dim: 1 }',
        "has both axis and slice_dim; keep axis",
    ),
    ('type: "Concat" concat_param { axis: 1 concat_dim: 1 }', "has both axis and concat_dim"),
    ('type: "Tile"', "tiles is 0; expected 1 or more"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refuses_what_does_not_fit(text: str, message: str) -> None:
    with pytest.raises(LayerError) as caught:
        build_layer(text, (2, 3, 4))
    assert message in str(caught.value)


def test_concat_names_the_bottom_that_does_not_fit() -> None:
    with pytest.raises(LayerError) as caught:
        build_layer('type: "Concat"', (2, 3, 4), (2, 1, 5))
    assert "bottom 'b1' has the shape 2 1 5 (10); expected 2 3 4 (24) like bottom 'b0'" in str(
        caught.value
    )


def test_crop_says_what_does_not_fit() -> None:
    with pytest.raises(LayerError, match=r"expected at least 3 \+ 2 \(size and offset\) in axis 2"):
        build_layer('type: "Crop" crop_param { offset: 2 }', (1, 1, 4, 9), (1, 1, 3, 3))
    with pytest.raises(LayerError, match="offset is given 3 times; expected once, or 2 times"):
        build_layer(
            'type: "Crop" crop_param { offset: 2 offset: 1 offset: 1 }', (1, 1, 4, 9), (1, 1, 3, 3)
        )
    with pytest.raises(LayerError, match="expected 4 axes, like the first bottom"):
        build_layer('type: "Crop"', (1, 1, 4, 9), (1, 1, 3))
