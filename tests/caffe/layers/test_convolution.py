"""Convolution, Deconvolution and Im2col against slow NumPy, over many shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.caffe.errors import LayerError
from tests.caffe.layers.harness import build_layer, noise, run
from tests.selection import examples

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """A geometry that fits: one entry a spatial axis in each tuple."""

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]
    group: int
    channels: int
    outputs: int

    def text(self, kind: str, bias: bool = True) -> str:
        lists = "".join(
            f"{name}: {value} "
            for name, values in (
                ("kernel_size", self.kernel),
                ("stride", self.stride),
                ("pad", self.pad),
                ("dilation", self.dilation),
            )
            for value in values
        )
        return (
            f'type: "{kind}" convolution_param {{ num_output: {self.outputs} group: {self.group} '
            f"bias_term: {str(bias).lower()} {lists} }}"
        )


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    axes = draw(st.integers(1, 4))
    small = st.integers(1, 3)

    def each(values: st.SearchStrategy[int]) -> tuple[int, ...]:
        return tuple(draw(values) for _ in range(axes))

    kernel, stride, dilation = each(small), each(small), each(st.integers(1, 2))
    pad = each(st.integers(0, 2))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, pad, strict=True)]
    sizes = tuple(draw(st.integers(low, low + 3)) for low in least)
    group = draw(st.integers(1, 2))
    channels, outputs = (group * draw(st.integers(1, 2)) for _ in range(2))
    return Windows(sizes, kernel, stride, pad, dilation, group, channels, outputs)


def positions(w: Windows, counts: Sequence[int]) -> list[tuple[tuple[int, ...], ...]]:
    """(window, place in the kernel, place in the padded plane) for all of them."""
    return [
        (
            window,
            inside,
            tuple(
                a * s + b * d
                for a, s, b, d in zip(window, w.stride, inside, w.dilation, strict=True)
            ),
        )
        for window in np.ndindex(*counts)
        for inside in np.ndindex(*w.kernel)
    ]


def padded(bottom: Array, w: Windows) -> Array:
    return np.pad(bottom, [(0, 0), (0, 0), *((p, p) for p in w.pad)])


def convolve(bottom: Array, weight: Array, bias: Array, w: Windows) -> Array:
    """The definition of a convolution, value by value."""
    wide = padded(bottom, w)
    counts = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(wide.shape[2:], w.kernel, w.stride, w.dilation, strict=True)
    ]
    top = np.zeros((len(bottom), w.outputs, *counts)) + bias.reshape(-1, *[1] * len(counts))
    ins, outs = w.channels // w.group, w.outputs // w.group
    for window, inside, place in positions(w, counts):
        for group in range(w.group):
            values = wide[(slice(None), slice(group * ins, (group + 1) * ins), *place)]
            rows = slice(group * outs, (group + 1) * outs)
            factors = weight[(rows, slice(None), *inside)]
            top[(slice(None), rows, *window)] += values @ factors.T
    return top


def deconvolve(bottom: Array, weight: Array, bias: Array, w: Windows) -> Array:
    """Each value of the bottom spreads the weights over a window of the top."""
    sizes = bottom.shape[2:]
    full = [
        s * (size - 1) + d * (k - 1) + 1
        for size, k, s, d in zip(sizes, w.kernel, w.stride, w.dilation, strict=True)
    ]
    wide = np.zeros((len(bottom), w.outputs, *full))
    ins, outs = w.channels // w.group, w.outputs // w.group
    for window, inside, place in positions(w, sizes):
        for group in range(w.group):
            rows = slice(group * ins, (group + 1) * ins)
            values = bottom[(slice(None), rows, *window)]
            factors = weight[(rows, slice(None), *inside)]
            wide[(slice(None), slice(group * outs, (group + 1) * outs), *place)] += values @ factors
    inner = tuple(slice(p, size - p) for p, size in zip(w.pad, full, strict=True))
    return wide[(slice(None), slice(None), *inner)] + bias.reshape(-1, *[1] * len(full))


def im2col(bottom: Array, w: Windows) -> Array:
    """The values under each window, stacked behind their channel."""
    wide = padded(bottom, w)
    counts = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(wide.shape[2:], w.kernel, w.stride, w.dilation, strict=True)
    ]
    top = np.zeros((len(bottom), w.channels, *w.kernel, *counts))
    for window, inside, place in positions(w, counts):
        top[(slice(None), slice(None), *inside, *window)] = wide[(slice(None), slice(None), *place)]
    return top.reshape(len(bottom), -1, *counts)


@settings(max_examples=examples(60), deadline=None)
@given(w=windows(), channels_last=st.booleans())
def test_convolution_equals_its_definition(w: Windows, channels_last: bool) -> None:
    bottom = noise(2, w.channels, *w.sizes, dtype=torch.float64)
    layer = build_layer(w.text("Convolution"), bottom.shape, dtype=torch.float64)
    given_bottom = bottom
    if channels_last and bottom.dim() == 4:
        given_bottom = bottom.contiguous(memory_format=torch.channels_last)
    (top,) = run(layer, given_bottom)
    weight, bias = (param.numpy() for param in layer.params)
    np.testing.assert_allclose(top.numpy(), convolve(bottom.numpy(), weight, bias, w), atol=1e-9)


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None)
@given(w=windows())
def test_deconvolution_equals_its_definition(w: Windows) -> None:
    # A pad that leaves nothing of the top is refused; make the bottom large enough.
    bottom = noise(2, w.channels, *(size + 4 for size in w.sizes), dtype=torch.float64)
    layer = build_layer(w.text("Deconvolution"), bottom.shape, dtype=torch.float64)
    (top,) = run(layer, bottom)
    weight, bias = (param.numpy() for param in layer.params)
    np.testing.assert_allclose(top.numpy(), deconvolve(bottom.numpy(), weight, bias, w), atol=1e-9)


@settings(max_examples=examples(40), deadline=None)
@given(w=windows())
def test_im2col_stacks_the_values_under_each_window(w: Windows) -> None:
    bottom = noise(2, w.channels, *w.sizes, dtype=torch.float64)
    text = w.text("Im2col").replace(f"num_output: {w.outputs}", "")
    (top,) = run(build_layer(text, bottom.shape), bottom)
    np.testing.assert_array_equal(top.numpy(), im2col(bottom.numpy(), w))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad"),
    [(4, 5, 2, 0), (3, 5, 3, 0), (2, 5, 2, 1), (1, 7, 4, 2)],
)
def test_a_window_may_hang_over_by_less_than_the_stride(
    size: int, kernel: int, stride: int, pad: int
) -> None:
    """Caffe has one window then: C++ rounds the negative quotient towards 0."""
    fields = f"kernel_size: {kernel} stride: {stride} pad: {pad}"
    bottom = noise(2, 3, size, size + kernel)
    behind = kernel - size - pad
    wide = torch.nn.functional.pad(bottom, (pad, pad, pad, behind))
    layer = build_layer(
        f'type: "Convolution" convolution_param {{ num_output: 2 {fields} }}', bottom.shape
    )
    (top,) = run(layer, bottom)
    expected = torch.nn.functional.conv2d(wide, *layer.params, stride=stride)
    assert top.shape[2] == 1
    torch.testing.assert_close(top, expected)
    (stacked,) = run(build_layer(f'type: "Im2col" convolution_param {{ {fields} }}', bottom.shape),
                     bottom)  # fmt: skip
    unfolded = torch.nn.functional.unfold(wide, kernel, stride=stride)
    torch.testing.assert_close(stacked.flatten(2), unfolded)


def test_axes_before_the_channels_are_independent_items() -> None:
    bottom = noise(2, 3, 4, 5, 6)
    text = 'type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 axis: -3 }'
    layer = build_layer(text, bottom.shape)
    (top,) = run(layer, bottom)
    one = torch.nn.functional.conv2d(bottom[1], *layer.params)
    torch.testing.assert_close(top[1], one)


def test_several_bottoms_share_the_weights() -> None:
    text = 'type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 }'
    layer = build_layer(text, (1, 2, 5, 5), (1, 2, 5, 5), tops=2)
    bottom = noise(1, 2, 5, 5)
    first, second = run(layer, bottom, 2 * bottom)
    bias = layer.params[1].reshape(-1, 1, 1)
    torch.testing.assert_close(second - bias, 2 * (first - bias))


def test_channels_last_flows_through() -> None:
    text = 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 }'
    bottom = noise(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    layer = build_layer(text, bottom.shape)
    (top,) = run(layer, bottom)
    assert top.is_contiguous(memory_format=torch.channels_last)


def test_grey_pictures_go_on_in_channels_last_where_the_net_does() -> None:
    text = 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }'
    bottom = noise(2, 1, 8, 8)
    layer = build_layer(text, bottom.shape, channels_last=True)
    (top,) = run(layer, bottom)
    assert top.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(top, torch.nn.functional.conv2d(bottom, *layer.params))


PLANE = (2, 4, 5, 6)
REFUSED = [
    ("Convolution", "kernel_size: 3", PLANE, "num_output is missing or 0"),
    ("Convolution", "num_output: 4", PLANE, "kernel_size is missing; expected once, or once for"),
    (
        "Convolution",
        "num_output: 4 kernel_size: 0",
        PLANE,
        "kernel_size is 0x0; expected 1 or more",
    ),
    (
        "Convolution",
        "num_output: 4 kernel_size: 3 kernel_size: 3 kernel_size: 3",
        PLANE,
        "kernel_size is given 3 times; expected once, or once for each of the 2 spatial axes",
    ),
    (
        "Convolution",
        "num_output: 4 kernel_size: 3 kernel_h: 3 kernel_w: 2",
        PLANE,
        "has both kernel_size and kernel_h/kernel_w; keep one of them",
    ),
    (
        "Convolution",
        "num_output: 4 kernel_h: 3 kernel_w: 2",
        (2, 4, 5),
        "kernel_h and kernel_w fit 2 spatial axes; this bottom has 1",
    ),
    ("Convolution", "num_output: 4 kernel_size: 2 stride: 0", PLANE, "stride is 0x0; expected 1"),
    ("Convolution", "num_output: 4 kernel_size: 2 dilation: 0", PLANE, "dilation is 0x0; expected"),
    (
        "Convolution",
        "num_output: 4 kernel_size: 2 group: 3",
        PLANE,
        "group 3 does not divide the 4 channels of the bottom",
    ),
    (
        "Convolution",
        "num_output: 3 kernel_size: 2 group: 2",
        PLANE,
        "group 2 does not divide the 3 num_output",
    ),
    (
        "Convolution",
        "num_output: 3 kernel_size: 8 pad: 1",
        PLANE,
        "bottom 'b0' has the shape 2 4 5 6 (240); expected at least the kernel's size 8x8; with "
        "its padding it is 7x8",
    ),
    ("Convolution", "num_output: 3 kernel_size: 2 axis: 4", PLANE, "axis 4 is out of range"),
    ("Deconvolution", "num_output: 4 kernel_size: 2 pad: 5", PLANE, "this pad makes it -4x-3"),
    ("Im2col", "kernel_size: 1", (2, 4), "expected spatial axes behind the channels"),
]


@pytest.mark.parametrize(("kind", "fields", "shape", "message"), REFUSED)
def test_refuses_what_does_not_fit(
    kind: str, fields: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(LayerError) as caught:
        build_layer(f'type: "{kind}" convolution_param {{ {fields} }}', shape)
    assert message in str(caught.value)
    assert f"layer 'l' ({kind})" in str(caught.value)


def test_refuses_a_bottom_that_changes_its_channels() -> None:
    text = 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }'
    layer = build_layer(text, PLANE)
    layer.reshape([(1, 4, 9, 9)])
    with pytest.raises(LayerError, match="expected 4 channels in axis 1, as when the layer was"):
        layer.reshape([(2, 3, 5, 6)])
    with pytest.raises(LayerError, match="expected 4 axes, as when the layer was built"):
        layer.reshape([(2, 4, 5)])


def test_refuses_bottoms_of_different_shapes() -> None:
    text = 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }'
    with pytest.raises(LayerError, match=r"bottom 'b1' has the shape 2 4 5 5 \(200\); expected"):
        build_layer(text, PLANE, (2, 4, 5, 5), tops=2)
