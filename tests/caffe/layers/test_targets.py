"""Smoothed labels and weighted classes: against PyTorch, and real Caffe's InfogainLoss."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import Phase
from digits.caffe.layers.targets import Targets
from tests.caffe.layers.harness import build_layer, noise, run

SCORES = noise(6, 5) * 4
LABELS = torch.tensor([0.0, 1, 4, 2, 2, 3])
WEIGHTS = (0.5, 1.0, 2.0, 3.0, 0.25)
LOSS = 'type: "SoftmaxWithLoss" loss_weight: 1'


def loss_and_gradient(
    targets: Targets, scores: torch.Tensor, labels: torch.Tensor, fields: str = ""
) -> tuple[torch.Tensor, torch.Tensor]:
    layer = build_layer(
        LOSS + fields, scores.shape, labels.shape, phase=Phase.TRAIN, targets=targets
    )
    scores = scores.clone().requires_grad_()
    (loss,) = run(layer, scores, labels)
    loss.backward()
    assert scores.grad is not None
    return loss.detach(), scores.grad


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("weights", [(), WEIGHTS])
@pytest.mark.parametrize("spread", [0.01, 1, 3])
def test_loss_and_gradient_are_pytorchs_to_float32_noise(
    smoothing: float, weights: tuple[float, ...], spread: float
) -> None:
    found, slope = loss_and_gradient(Targets(smoothing, weights), SCORES * spread, LABELS)
    scores = (SCORES * spread).requires_grad_()
    given = torch.tensor(weights) if weights else None
    # Divided by the labels, as the layer does; its own mean divides by the sum of their weights.
    summed = cross_entropy(scores, LABELS.long(), given, label_smoothing=smoothing, reduction="sum")
    expected = summed / len(LABELS)
    expected.backward()
    torch.testing.assert_close(found, expected.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(slope, scores.grad, rtol=1e-5, atol=1e-7)


def test_a_network_that_is_sure_of_the_wrong_class_has_a_finite_loss() -> None:
    scores, labels = torch.tensor([[400.0, 0, 0]]), torch.ones(1)
    found, _ = loss_and_gradient(Targets(0.3), scores, labels)
    expected = cross_entropy(scores, labels.long(), label_smoothing=0.3)
    torch.testing.assert_close(found, expected)


def test_the_mean_is_pytorchs_where_weights_are_1_on_average() -> None:
    # As balanced ones are over a training set: 1 of the class 0, 3 of 1, 2 of 2.
    weights, labels = (2.0, 2 / 3, 1.0), torch.tensor([0.0, 1, 1, 1, 2, 2])
    found, _ = loss_and_gradient(Targets(0.0, weights), SCORES[:, :3], labels)
    expected = cross_entropy(SCORES[:, :3], labels.long(), torch.tensor(weights))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("smoothing", "weights"), [(0.0, WEIGHTS), (0.2, WEIGHTS), (0.2, (1.0,) * 5)]
)
def test_it_is_the_infogain_loss_of_a_matrix(smoothing: float, weights: tuple[float, ...]) -> None:
    matrix = (torch.eye(5) * (1 - smoothing) + smoothing / 5) * torch.tensor(weights)
    scores, labels = noise(2, 5, 3), torch.tensor([[0.0, 1, 2], [3, 4, 1]])
    ignoring = " loss_param { ignore_label: 1 }"
    text = f'type: "InfogainLoss"{ignoring}'
    infogain = build_layer(text, scores.shape, labels.shape, matrix.shape, phase=Phase.TRAIN)
    expected = scores.clone().requires_grad_()
    (loss,) = run(infogain, expected, labels, matrix)
    loss.backward()
    found, slope = loss_and_gradient(Targets(smoothing, weights), scores, labels, ignoring)
    torch.testing.assert_close(found, loss.detach())
    torch.testing.assert_close(slope, expected.grad)


@pytest.mark.parametrize(
    ("phase", "weight"), [(Phase.TEST, "loss_weight: 1"), (Phase.TRAIN, "loss_weight: 0")]
)
def test_only_what_is_trained_has_them(phase: Phase, weight: str) -> None:
    plain = 'type: "SoftmaxWithLoss"'
    targets = Targets(0.3, WEIGHTS)
    layer = build_layer(f"{plain} {weight}", (6, 5), (6,), phase=phase, targets=targets)
    (found,) = run(layer, SCORES, LABELS)
    assert torch.equal(found, run(build_layer(plain, (6, 5), (6,)), SCORES, LABELS)[0])


def test_weights_for_other_classes_are_refused() -> None:
    with pytest.raises(LayerError, match="class_weight for 2 classes, and bottom 'b0' has 5"):
        build_layer(LOSS, (6, 5), (6,), phase=Phase.TRAIN, targets=Targets(0.0, (1.0, 2.0)))
