"""Pooling and SPP against slow NumPy, over many shapes; STOCHASTIC by its properties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import Phase
from digits.caffe.machine.randomness import Randomness
from tests.caffe.layers.harness import build_layer, noise, run, whole
from tests.selection import examples

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    sizes: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    floor: bool

    def text(self, method: str) -> str:
        return (
            f'type: "Pooling" pooling_param {{ pool: {method} '
            f"kernel_h: {self.kernel[0]} kernel_w: {self.kernel[1]} "
            f"stride_h: {self.stride[0]} stride_w: {self.stride[1]} "
            f"pad_h: {self.pad[0]} pad_w: {self.pad[1]} "
            f"round_mode: {'FLOOR' if self.floor else 'CEIL'} }}"
        )

    def counts(self) -> tuple[int, int]:
        """The rule of PoolingLayer::Reshape."""
        counts = []
        for size, k, s, p in zip(self.sizes, self.kernel, self.stride, self.pad, strict=True):
            exact = (size + 2 * p - k) / s
            count = int(np.floor(exact) if self.floor else np.ceil(exact)) + 1
            if any(self.pad) and (count - 1) * s >= size + p:
                count -= 1
            counts.append(count)
        return counts[0], counts[1]


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    pairs = [st.integers(1, 4), st.integers(1, 4)]
    kernel, stride = (tuple(draw(each) for each in pairs) for _ in range(2))
    pad = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    low = [max(1, k - 2 * p) for k, p in zip(kernel, pad, strict=True)]
    sizes = tuple(draw(st.integers(size, size + 6)) for size in low)
    return Windows(sizes, kernel, stride, pad, draw(st.booleans()))  # type: ignore[arg-type]


def under(bottom: Array, w: Windows, row: int, column: int) -> tuple[Array, int, slice, slice]:
    """The values under a window, what AVE divides by, and where they are."""
    places, area = [], 1
    for at, size, k, s, p in zip((row, column), w.sizes, w.kernel, w.stride, w.pad, strict=True):
        start = at * s - p
        area *= min(start + k, size + p) - start
        places.append(slice(max(start, 0), min(start + k, size)))
    return bottom[:, :, places[0], places[1]], area, places[0], places[1]


def pool(bottom: Array, w: Windows, method: str) -> Array:
    top = np.full((*bottom.shape[:2], *w.counts()), -np.finfo(np.float32).max)
    for row, column in np.ndindex(*w.counts()):
        values, area, _, _ = under(bottom, w, row, column)
        if method == "AVE":
            with np.errstate(invalid="ignore"):
                top[:, :, row, column] = values.sum((2, 3)) / np.float64(area)
        elif values.size:
            top[:, :, row, column] = values.max((2, 3))
    return top


@settings(max_examples=examples(100), deadline=None)
@given(w=windows(), method=st.sampled_from(["MAX", "AVE"]), channels_last=st.booleans())
def test_pooling_equals_its_definition(w: Windows, method: str, channels_last: bool) -> None:
    bottom = whole(-3, 3, 2, 3, *w.sizes, dtype=torch.float64)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    (top,) = run(build_layer(w.text(method), bottom.shape), bottom.contiguous(memory_format=layout))
    np.testing.assert_allclose(top.numpy(), pool(bottom.numpy(), w, method), atol=1e-12)


@settings(max_examples=examples(50), deadline=None)
@given(w=windows(), channels_last=st.booleans())
def test_max_points_at_the_first_maximum_and_sends_its_gradient_there(
    w: Windows, channels_last: bool
) -> None:
    plane = whole(0, 1, 1, 2, *w.sizes, dtype=torch.float64)  # full of ties
    layout = torch.channels_last if channels_last else torch.contiguous_format
    bottom = plane.clone(memory_format=layout).requires_grad_()
    top, position = run(build_layer(w.text("MAX"), bottom.shape, tops=2), bottom)
    top.sum().backward()
    expected = np.zeros(bottom.shape)
    for row, column in np.ndindex(*w.counts()):
        values, _, rows, columns = under(plane.numpy(), w, row, column)
        for channel in range(2):
            if not values.size:
                assert position[0, channel, row, column] == -1
                continue
            first = np.unravel_index(values[0, channel].argmax(), values.shape[2:])
            at = (rows.start + int(first[0]), columns.start + int(first[1]))
            expected[0, channel, at[0], at[1]] += 1
            assert position[0, channel, row, column] == at[0] * w.sizes[1] + at[1]
    assert bottom.grad is not None
    np.testing.assert_array_equal(bottom.grad.numpy(), expected)


@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_global_pooling_follows_the_size_of_the_bottom(method: str) -> None:
    text = f'type: "Pooling" pooling_param {{ pool: {method} global_pooling: true }}'
    layer = build_layer(text, (1, 2, 3, 4))
    bottom = noise(2, 2, 5, 3)
    (top,) = run(layer, bottom)
    flat = bottom.flatten(2)
    expected = flat.max(2)[0] if method == "MAX" else flat.mean(2)
    torch.testing.assert_close(top.flatten(1), expected)


def test_max_of_a_bottom_smaller_than_the_kernel_takes_what_is_there() -> None:
    text = 'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }'
    bottom = noise(1, 2, 2, 2)
    (top,) = run(build_layer(text, bottom.shape), bottom)
    torch.testing.assert_close(top.flatten(), bottom.flatten(2).max(2)[0].flatten())


@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_channels_last_flows_through(method: str) -> None:
    text = f'type: "Pooling" pooling_param {{ pool: {method} kernel_size: 3 stride: 2 }}'
    bottom = noise(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    (top,) = run(build_layer(text, bottom.shape), bottom)
    assert top.is_contiguous(memory_format=torch.channels_last)


def test_stochastic_picks_values_as_often_as_their_share() -> None:
    text = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }'
    bottom = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 2, 2).repeat(1, 1, 100, 100)
    layer = build_layer(text, bottom.shape, phase=Phase.TRAIN, random=Randomness(1))
    (top,) = run(layer, bottom)
    shares = [float((top == value).float().mean()) for value in (1, 2, 3, 4)]
    # 2,500 draws: a standard deviation of at most 0.01.
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.04)


def test_stochastic_sends_the_gradient_to_the_value_it_picked() -> None:
    text = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }'
    bottom = noise(2, 3, 4, 6).abs().requires_grad_()
    layer = build_layer(text, bottom.shape, phase=Phase.TRAIN, random=Randomness(1))
    (top,) = run(layer, bottom)
    top.sum().backward()
    assert bottom.grad is not None
    assert bottom.grad.sum() == top.numel()
    assert set(bottom[bottom.grad == 1].tolist()) == set(top.flatten().tolist())


def test_stochastic_tests_with_the_mean_weighted_by_the_values() -> None:
    text = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }'
    bottom = torch.tensor([1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]).reshape(1, 2, 2, 2)
    (top,) = run(build_layer(text, bottom.shape), bottom)
    assert top.flatten().tolist() == pytest.approx([(1 + 4 + 9 + 16) / 10, 0])


def test_stochastic_repeats_with_its_seed() -> None:
    text = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 3 }'
    bottom = noise(2, 3, 8, 8).abs()
    tops = [
        run(build_layer(text, bottom.shape, phase=Phase.TRAIN, random=Randomness(5)), bottom)[0]
        for _ in range(2)
    ]
    torch.testing.assert_close(tops[0], tops[1], rtol=0, atol=0)


@pytest.mark.parametrize(("method", "phase"), [("MAX", 1), ("AVE", 1), ("STOCHASTIC", 0)])
def test_spp_joins_grids_of_growing_fineness(method: str, phase: int) -> None:
    text = f'type: "SPP" spp_param {{ pyramid_height: 3 pool: {method} }}'
    bottom = noise(2, 3, 9, 7).abs()
    (top,) = run(build_layer(text, bottom.shape, phase=Phase(phase)), bottom)
    assert top.shape == (2, 3 * (1 + 4 + 16))
    if method == "MAX":
        torch.testing.assert_close(top[:, :3], bottom.flatten(2).max(2)[0])


REFUSED = [
    ("", "expected either kernel_size, or both kernel_h and kernel_w"),
    ("kernel_h: 2", "expected either kernel_size, or both kernel_h and kernel_w"),
    ("kernel_size: 2 kernel_h: 2 kernel_w: 2", "expected either kernel_size, or both"),
    ("kernel_size: 0", "kernel is 0x0; expected 1 or more"),
    ("kernel_size: 2 stride: 0", "stride is 0x0; expected 1 or more"),
    ("kernel_size: 2 stride_h: 2", "expected either stride, or both stride_h and stride_w"),
    ("kernel_size: 2 pad: 2", "pad 2x2 must be smaller than the kernel, 2x2"),
    ("kernel_size: 2 pad: 1 pool: STOCHASTIC", "padding is only for pool: MAX and AVE"),
    ("global_pooling: true kernel_size: 2", "global_pooling takes no kernel size"),
    ("global_pooling: true stride: 2", "global_pooling takes pad 0 and stride 1"),
    (
        "kernel_size: 9",
        "expected a height of at least 9: the kernel (9) is larger than the padded height (5)",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_refuses_what_does_not_fit(fields: str, message: str) -> None:
    with pytest.raises(LayerError) as caught:
        build_layer(f'type: "Pooling" pooling_param {{ {fields} }}', (2, 3, 5, 6))
    assert message in str(caught.value)


def test_refuses_other_than_pictures() -> None:
    with pytest.raises(LayerError, match="expected 4 axes"):
        build_layer('type: "Pooling" pooling_param { kernel_size: 2 }', (2, 3, 5))
    with pytest.raises(LayerError, match="expected 4 axes"):
        build_layer('type: "SPP" spp_param { pyramid_height: 2 }', (2, 3, 5))


def test_refuses_positions_of_what_has_none() -> None:
    text = 'type: "Pooling" pooling_param { pool: AVE kernel_size: 2 }'
    with pytest.raises(LayerError, match="only pool: MAX has a second top"):
        build_layer(text, (2, 3, 5, 6), tops=2)


def test_refuses_a_pyramid_finer_than_the_plane() -> None:
    with pytest.raises(LayerError, match="choose a pyramid_height below 3"):
        build_layer('type: "SPP" spp_param { pyramid_height: 4 }', (2, 3, 2, 6))
    with pytest.raises(LayerError, match="pyramid_height is missing or 0"):
        build_layer('type: "SPP"', (2, 3, 2, 6))


def test_max_does_not_keep_a_large_bottom_for_the_backward_pass() -> None:
    bottom = noise(2, 8, 257, 257).requires_grad_()
    layer = build_layer('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }', bottom.shape)
    kept: list[torch.Tensor] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        (top,) = run(layer, bottom)
    assert [tensor.dtype for tensor in kept] == [torch.int64]
    (gradient,) = torch.autograd.grad(top.sum(), bottom)
    (right,) = torch.autograd.grad(torch.nn.functional.max_pool2d(bottom, 3, 2).sum(), bottom)
    torch.testing.assert_close(gradient, right)
