"""LRN, BatchNorm, MVN, Scale and Bias: definitions, state, memory layout, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import Phase
from tests.caffe.layers.harness import build_layer, noise, run
from tests.selection import examples


def across_channels(bottom: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """The definition of LRN, channel by channel; differentiable."""
    half = size // 2
    tops = []
    for channel in range(bottom.shape[1]):
        window = bottom[:, max(0, channel - half) : channel + half + 1]
        scale = k + alpha / size * window.square().sum(1)
        tops.append(bottom[:, channel] * scale**-beta)
    return torch.stack(tops, 1)


@settings(max_examples=examples(40), deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 4), st.integers(1, 4)),
    size=st.sampled_from([1, 3, 5, 7, 9]),
    beta=st.sampled_from([0.75, 0.5, 1.0, 0.2]),
    channels_last=st.booleans(),
)
def test_lrn_equals_its_definition_in_both_layouts(
    shape: tuple[int, int, int, int], size: int, beta: float, channels_last: bool
) -> None:
    text = f'type: "LRN" lrn_param {{ local_size: {size} alpha: 0.5 beta: {beta} k: 1.5 }}'
    layout = torch.channels_last if channels_last else torch.contiguous_format
    bottom = noise(*shape, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    (top,) = run(build_layer(text, shape), bottom)
    expected = across_channels(bottom, size, 0.5, float(np.float32(beta)), 1.5)
    torch.testing.assert_close(top, expected)
    weights = noise(*shape, dtype=torch.float64) + 1
    (gradient,) = torch.autograd.grad((top * weights).sum(), bottom)
    (right,) = torch.autograd.grad((expected * weights).sum(), bottom)
    torch.testing.assert_close(gradient, right)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_lrn_works_piece_by_piece_on_large_blobs(layout: torch.memory_format) -> None:
    bottom = noise(3, 40, 60, 61).contiguous(memory_format=layout).requires_grad_()
    (top,) = run(build_layer('type: "LRN" lrn_param { alpha: 0.1 }', bottom.shape), bottom)
    expected = across_channels(bottom, 5, 0.1, 0.75, 1)
    torch.testing.assert_close(top, expected, rtol=1e-5, atol=1e-6)
    assert top.is_contiguous(memory_format=layout)
    (gradient,) = torch.autograd.grad(top.square().sum(), bottom)
    (right,) = torch.autograd.grad(expected.square().sum(), bottom)
    torch.testing.assert_close(gradient, right, rtol=1e-5, atol=1e-5)


def test_lrn_takes_a_bottom_that_is_a_part_of_another_blob() -> None:
    whole = noise(2, 8, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    part = whole[:, 2:7]
    (top,) = run(build_layer('type: "LRN"', part.shape), part)
    torch.testing.assert_close(top, across_channels(part, 5, 1, 0.75, 1))
    top.sum().backward()


def test_lrn_refuses_even_sizes_and_other_than_pictures() -> None:
    with pytest.raises(LayerError, match="local_size is 4; expected an odd number"):
        build_layer('type: "LRN" lrn_param { local_size: 4 }', (1, 2, 3, 3))
    with pytest.raises(LayerError, match="expected 4 axes"):
        build_layer('type: "LRN"', (1, 2, 3))


def test_batch_norm_keeps_running_sums() -> None:
    text = 'type: "BatchNorm" batch_norm_param { moving_average_fraction: 0.5 }'
    layer = build_layer(text, (4, 2, 3), phase=Phase.TRAIN)
    layer.params = [torch.zeros(2), torch.zeros(2), torch.zeros(1)]
    batches = [noise(4, 2, 3), 3 * noise(4, 2, 3) + 1]
    for batch in batches:
        run(layer, batch)
    means = [batch.mean((0, 2)) for batch in batches]
    variances = [batch.var((0, 2), unbiased=True) for batch in batches]
    torch.testing.assert_close(layer.params[0], 0.5 * means[0] + means[1])
    torch.testing.assert_close(layer.params[1], 0.5 * variances[0] + variances[1])
    assert layer.params[2].item() == 1.5


def test_batch_norm_without_statistics_yet_takes_mean_and_variance_as_0() -> None:
    layer = build_layer('type: "BatchNorm" batch_norm_param { eps: 1 }', (2, 3))
    layer.params = [torch.ones(3), torch.ones(3), torch.zeros(1)]
    bottom = noise(2, 3)
    torch.testing.assert_close(run(layer, bottom)[0], bottom)


def test_batch_norm_of_a_single_value_a_channel() -> None:
    layer = build_layer('type: "BatchNorm"', (1, 3), phase=Phase.TRAIN)
    layer.params = [torch.zeros(3), torch.zeros(3), torch.zeros(1)]
    bottom = noise(1, 3).requires_grad_()
    top = run(layer, bottom)[0]
    assert torch.equal(top, torch.zeros(1, 3))
    torch.testing.assert_close(layer.params[0], bottom[0].detach())
    torch.testing.assert_close(layer.params[1], torch.zeros(3))
    # Whatever the bottom is, the top is 0.
    torch.testing.assert_close(torch.autograd.grad(top.sum(), bottom)[0], torch.zeros(1, 3))


def test_batch_norm_statistics_are_kept_from_the_solver() -> None:
    layer = build_layer('type: "BatchNorm"', (2, 3))
    assert [spec.lr_mult for spec in layer.param.param] == [0, 0, 0]
    with pytest.raises(LayerError, match="its parameters are statistics"):
        build_layer('type: "BatchNorm" param { lr_mult: 1 }', (2, 3))


@pytest.mark.parametrize("kind", ["BatchNorm", "PReLU"])
def test_refuses_a_bottom_that_changes_its_channels(kind: str) -> None:
    layer = build_layer(f'type: "{kind}"', (2, 3))
    with pytest.raises(LayerError, match="expected 3 channels, as when the layer was built"):
        layer.reshape([(2, 4)])


def test_mvn_of_equal_values_has_no_variance_and_a_finite_gradient() -> None:
    bottom = torch.full((1, 1, 2, 2), 3.0).requires_grad_()
    layer = build_layer('type: "MVN" mvn_param { eps: 0.5 }', bottom.shape)
    (top,) = run(layer, bottom)
    torch.testing.assert_close(top, torch.zeros_like(top))
    (gradient,) = torch.autograd.grad(top[0, 0, 0, 0], bottom)
    expected = torch.tensor([0.75, -0.25, -0.25, -0.25]).reshape(1, 1, 2, 2) / 0.5
    torch.testing.assert_close(gradient, expected)


def test_mvn_gives_missing_axes_to_its_top_and_refuses_a_fifth() -> None:
    assert run(build_layer('type: "MVN"', (2, 3)), noise(2, 3))[0].shape == (2, 3, 1, 1)
    with pytest.raises(LayerError, match="expected at most 4 axes"):
        build_layer('type: "MVN"', (2, 3, 4, 5, 6))


@pytest.mark.parametrize("kind", ["Scale", "Bias"])
def test_scale_and_bias_keep_channels_last(kind: str) -> None:
    bottom = noise(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    text = f'type: "{kind}" ' + ("scale_param { bias_term: true }" if kind == "Scale" else "")
    (top,) = run(build_layer(text, bottom.shape), bottom)
    assert top.is_contiguous(memory_format=torch.channels_last)


REFUSED = [
    ('type: "Scale" scale_param { axis: 3 }', [(2, 3, 4)], "axis 3 is out of range"),
    ('type: "Scale" scale_param { num_axes: -2 }', [(2, 3, 4)], "num_axes is -2; expected -1 or"),
    ('type: "Scale" scale_param { num_axes: 3 }', [(2, 3, 4)], "expected 3 axes (num_axes) from"),
    (
        'type: "Bias"',
        [(2, 3, 4), (4,)],
        "bottom 'b0' has the shape 2 3 4 (24); expected the axes of the smaller blob, 4 (4), from",
    ),
]


@pytest.mark.parametrize(("text", "shapes", "message"), REFUSED)
def test_refuses_what_does_not_fit(text: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        build_layer(text, *shapes)
    assert message in str(caught.value)
