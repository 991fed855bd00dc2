"""Neuron layers at their kinks and edges, in place, and Dropout by its properties."""

from __future__ import annotations

import math

import pytest
import torch

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import Phase
from digits.caffe.machine.randomness import Randomness
from tests.caffe.layers.harness import build_layer, noise, run


@pytest.mark.parametrize(
    ("text", "at", "gradient"),
    [
        ('type: "ReLU"', 0.0, 0.0),
        ('type: "ReLU" relu_param { negative_slope: 0.3 }', 0.0, 0.3),
        ('type: "PReLU" prelu_param { channel_shared: true }', 0.0, None),  # the slope
        ('type: "AbsVal"', 0.0, 0.0),
        ('type: "ELU" elu_param { alpha: 0.5 }', 0.0, 0.5),
        ('type: "Clip" clip_param { min: -1 max: 2 }', -1.0, 1.0),
        ('type: "Clip" clip_param { min: -1 max: 2 }', 2.0, 1.0),
        ('type: "Clip" clip_param { min: -1 max: 2 }', 2.5, 0.0),
        ('type: "Power" power_param { power: 0.5 }', 0.0, math.nan),
        ('type: "Power" power_param { power: 2 }', 0.0, 0.0),
        ('type: "Power" power_param { power: 0 scale: 3 }', 0.0, 0.0),
    ],
)
def test_gradient_at_a_kink_is_caffes(text: str, at: float, gradient: float | None) -> None:
    bottom = torch.full((1, 1), at).requires_grad_()
    layer = build_layer(text, (1, 1))
    run(layer, bottom)[0].sum().backward()
    assert bottom.grad is not None
    expected = float(layer.params[0]) if gradient is None else gradient
    assert bottom.grad.item() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "x", "y"),
    [
        ('type: "BNLL"', 100.0, 100.0),
        ('type: "BNLL"', -100.0, 0.0),
        ('type: "Threshold" threshold_param { threshold: 0.5 }', 0.5, 0.0),
        ('type: "Power" power_param { power: 0 shift: 5 }', 3.0, 1.0),
        ('type: "Power" power_param { power: 2 scale: 0 shift: 5 }', 3.0, 25.0),
        ('type: "Power" power_param { power: 2 scale: 0 shift: 5 }', math.inf, 25.0),
        ('type: "Exp" exp_param { base: 2 shift: 3 }', 1.0, 16.0),
        ('type: "Exp"', 0.0, 1.0),
        ('type: "Log" log_param { base: 10 shift: 1 }', 99.0, 2.0),
        ('type: "Sigmoid"', -1000.0, 0.0),
        ('type: "Swish"', -1000.0, 0.0),
    ],
)
def test_values_at_the_edges(text: str, x: float, y: float) -> None:
    (top,) = run(build_layer(text, (1, 1)), torch.full((1, 1), x))
    assert top.item() == pytest.approx(y)


def test_relu_overwrites_its_bottom_only_when_told_that_it_is_free() -> None:
    layer = build_layer('type: "ReLU"', (2, 3))
    bottom = noise(2, 3)
    before = bottom.clone()
    run(layer, bottom)
    torch.testing.assert_close(bottom, before, rtol=0, atol=0)
    layer.in_place = layer.bottom_is_free = True
    (top,) = run(layer, bottom)
    assert top.data_ptr() == bottom.data_ptr()
    torch.testing.assert_close(bottom, before.relu(), rtol=0, atol=0)


def test_dropout_scales_what_it_keeps_and_passes_the_gradient_there() -> None:
    text = 'type: "Dropout" dropout_param { dropout_ratio: 0.3 }'
    bottom = torch.ones(200, 200).requires_grad_()
    (top,) = run(build_layer(text, (200, 200), phase=Phase.TRAIN, random=Randomness(0)), bottom)
    kept = float((top != 0).float().mean())
    assert kept == pytest.approx(0.7, abs=0.01)  # 40,000 draws: a standard deviation of 0.002
    torch.testing.assert_close(top[top != 0], torch.full_like(top[top != 0], 1 / 0.7))
    top.sum().backward()
    assert bottom.grad is not None
    torch.testing.assert_close(bottom.grad, top.detach())


def test_dropout_repeats_with_its_seed_and_not_without() -> None:
    bottom = noise(50, 50)

    def drop(seed: int) -> torch.Tensor:
        layer = build_layer('type: "Dropout"', (50, 50), phase=Phase.TRAIN, random=Randomness(seed))
        return run(layer, bottom)[0]

    torch.testing.assert_close(drop(1), drop(1), rtol=0, atol=0)
    assert not torch.equal(drop(1), drop(2))


def test_dropout_does_nothing_in_the_test_phase() -> None:
    bottom = noise(2, 3)
    torch.testing.assert_close(run(build_layer('type: "Dropout"', (2, 3)), bottom)[0], bottom)


@pytest.mark.parametrize("shared", ["true", "false"])
def test_prelu_parameter_has_one_slope_a_channel_or_no_axes(shared: str) -> None:
    text = f'type: "PReLU" prelu_param {{ channel_shared: {shared} }}'
    layer = build_layer(text, (2, 3, 4))
    (slot,) = layer.param_slots([(2, 3, 4)])
    assert slot.shape == (() if shared == "true" else (3,))
    assert slot.filler.value == 0.25


REFUSED = [
    ('type: "Clip" clip_param { min: 1 }', "clip_param needs both min and max"),
    (
        'type: "Dropout" dropout_param { dropout_ratio: 1 }',
        "dropout_ratio is 1; expected 0 or more",
    ),
    ('type: "Exp" exp_param { base: 0 }', "base is 0; expected a positive number, or -1 for e"),
    ('type: "Log" log_param { base: -2 }', "base is -2; expected a positive number, or -1 for e"),
    ('type: "Log" log_param { base: 1 }', "base 1 has no logarithm"),
    ('type: "PReLU"', "expected at least 2 axes"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refuses_what_does_not_fit(text: str, message: str) -> None:
    with pytest.raises(LayerError) as caught:
        build_layer(text, (3,))
    assert message in str(caught.value)
