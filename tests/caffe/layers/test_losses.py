"""Losses and Accuracy: labels out of range, ignored labels, second tops, normalizations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import Phase
from digits.caffe.proto.caffe_pb2 import BlobProto
from tests.caffe.layers.harness import build_layer, noise, run

SCORES = noise(4, 5)
LABELS = torch.tensor([0.0, 4.0, 2.0, 1.0])
WITH_LABELS = [
    "Accuracy",
    "HingeLoss",
    "InfogainLoss",
    "MultinomialLogisticLoss",
    "SoftmaxWithLoss",
]


def bottoms_of(kind: str, labels: torch.Tensor) -> list[torch.Tensor]:
    matrix = [noise(1, 1, 5, 5)] if kind == "InfogainLoss" else []
    return [SCORES, labels, *matrix]


@pytest.mark.parametrize("kind", WITH_LABELS)
@pytest.mark.parametrize("wrong", [5.0, -1.0, float("nan"), float("inf")])
def test_a_label_out_of_range_is_named(kind: str, wrong: float) -> None:
    labels = LABELS.clone()
    labels[2] = wrong
    bottoms = bottoms_of(kind, labels)
    layer = build_layer(f'type: "{kind}"', *(b.shape for b in bottoms), phase=Phase.TRAIN)
    with pytest.raises(LayerError) as caught:
        run(layer, *bottoms)
    assert f"bottom 'b1' holds {wrong:g} at position 2; expected whole numbers from 0 to 4" in str(
        caught.value
    )


@pytest.mark.parametrize("kind", ["Accuracy", "InfogainLoss", "SoftmaxWithLoss"])
def test_an_ignored_label_may_be_out_of_range_and_counts_for_nothing(kind: str) -> None:
    name = "accuracy_param" if kind == "Accuracy" else "loss_param"
    text = f'type: "{kind}" {name} {{ ignore_label: 255 }}'
    ignoring = LABELS.clone()
    ignoring[3] = 255
    bottoms = bottoms_of(kind, ignoring)
    (top,) = run(build_layer(text, *(b.shape for b in bottoms)), *bottoms)
    fewer = [SCORES[:3], LABELS[:3], *bottoms[2:]]
    (expected,) = run(build_layer(f'type: "{kind}"', *(b.shape for b in fewer)), *fewer)
    torch.testing.assert_close(top, expected)


@pytest.mark.parametrize("kind", ["InfogainLoss", "SoftmaxWithLoss"])
def test_a_second_top_holds_the_probabilities(kind: str) -> None:
    bottoms = bottoms_of(kind, LABELS)
    layer = build_layer(f'type: "{kind}"', *(b.shape for b in bottoms), tops=2)
    _, probability = run(layer, *bottoms)
    torch.testing.assert_close(probability, SCORES.softmax(1))


def test_softmax_loss_clamps_the_probability_but_not_its_gradient() -> None:
    scores = torch.tensor([[200.0, 0.0]]).requires_grad_()
    (loss,) = run(build_layer('type: "SoftmaxWithLoss"', (1, 2), (1,)), scores, torch.ones(1))
    assert loss.item() == pytest.approx(87.3365, rel=1e-6)
    loss.backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize(
    ("fields", "divisor"),
    [
        ("", 3),
        ("normalization: VALID", 3),
        ("normalization: FULL", 4),
        ("normalization: BATCH_SIZE", 4),
        ("normalization: NONE", 1),
        ("normalize: false", 4),
        ("normalize: true", 3),
        ("normalize: true normalization: NONE", 1),
    ],
)
def test_softmax_loss_is_divided_as_asked(fields: str, divisor: int) -> None:
    text = f'type: "SoftmaxWithLoss" loss_param {{ ignore_label: 1 {fields} }}'
    (loss,) = run(build_layer(text, (4, 5), (4,)), SCORES, LABELS)
    total = -SCORES.log_softmax(1)[torch.arange(3), LABELS[:3].long()].sum()
    torch.testing.assert_close(loss, total / divisor)


def test_contrastive_gradient_of_a_pair_at_distance_0_is_finite() -> None:
    first = torch.ones(1, 2).requires_grad_()
    layer = build_layer('type: "ContrastiveLoss"', (1, 2), (1, 2), (1,))
    run(layer, first, torch.ones(1, 2), torch.zeros(1))[0].backward()
    assert first.grad is not None
    assert first.grad.tolist() == [[0.0, 0.0]]


def test_infogain_reads_its_matrix_from_a_file(tmp_path: Path) -> None:
    matrix = noise(1, 1, 5, 5).abs()
    blob = BlobProto(num=1, channels=1, height=5, width=5, data=matrix.flatten().tolist())
    (tmp_path / "H.binaryproto").write_bytes(blob.SerializeToString())
    text = 'type: "InfogainLoss" infogain_loss_param { source: "H.binaryproto" }'
    layer = build_layer(text, (4, 5), (4,), base_dir=str(tmp_path))
    (loss,) = run(layer, SCORES, LABELS)
    expected = -(matrix[0, 0][LABELS.long()] * SCORES.log_softmax(1)).sum() / 4
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the matrix H"),
        (b"no such thing", "this is no matrix H"),
        (BlobProto(data=[1, 2, 3]).SerializeToString(), "has 3 values; expected 25 values, 5 x 5"),
    ],
)
def test_infogain_refuses_a_file_without_its_matrix(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "H").write_bytes(content)
    with pytest.raises(LayerError, match=message):
        build_layer(
            'type: "InfogainLoss" infogain_loss_param { source: "H" }',
            *((4, 5), (4,)),
            base_dir=str(tmp_path),
        )


def test_accuracy_takes_a_tie_as_wrong_and_nan_as_right() -> None:
    scores = torch.tensor([[1.0, 1.0], [float("nan"), 1.0], [2.0, 1.0]])
    (top,) = run(build_layer('type: "Accuracy"', (3, 2), (3,)), scores, torch.zeros(3))
    assert top.item() == pytest.approx(2 / 3)


def test_accuracy_of_a_class_without_items_is_0() -> None:
    scores = torch.tensor([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    layer = build_layer('type: "Accuracy"', (2, 3), (2,), tops=2)
    _, each = run(layer, scores, torch.tensor([0.0, 1.0]))
    assert each.tolist() == [1, 0, 0]


REFUSED = [
    ('type: "EuclideanLoss"', [(2, 3), (3, 2)], "the same first axis as bottom 'b0' (2)"),
    ('type: "EuclideanLoss"', [(2, 3), (2, 4)], "as many values as bottom 'b0', 2 3 (6)"),
    ('type: "SigmoidCrossEntropyLoss"', [(2, 3), (2, 4)], "as many targets as bottom 'b0' has"),
    ('type: "SoftmaxWithLoss"', [(2, 3, 4), (2, 3)], "expected 8 labels: one for each position of"),
    ('type: "SoftmaxWithLoss" softmax_param { axis: 2 }', [(2, 3), (2,)], "axis 2 is out of range"),
    ('type: "Accuracy"', [(2, 3), (3,)], "expected 2 labels: one for each position of bottom 'b0'"),
    ('type: "Accuracy" accuracy_param { top_k: 4 }', [(2, 3), (2,)], "top_k is 4; expected 1 to 3"),
    ('type: "MultinomialLogisticLoss"', [(2, 3), (2, 3)], "expected one label for each item"),
    ('type: "ContrastiveLoss"', [(2, 3), (2, 4), (2,)], "as many channels as bottom 'b0'"),
    ('type: "ContrastiveLoss"', [(2, 3, 2), (2, 3), (2,)], "expected height and width 1"),
    ('type: "ContrastiveLoss"', [(2, 3), (2, 3), (2, 2)], "one label for each of 2 pairs"),
    ('type: "InfogainLoss"', [(2, 3), (2,)], "needs a source file, or a third bottom"),
    ('type: "InfogainLoss"', [(2, 3), (2,), (1, 1, 2, 2)], "9 values: a matrix of 3 x 3 classes"),
    (
        'type: "InfogainLoss" loss_param { normalize: true }',
        [(2, 3), (2,), (1, 1, 3, 3)],
        "too old for this type; use normalization",
    ),
]


@pytest.mark.parametrize(("text", "shapes", "message"), REFUSED)
def test_refuses_what_does_not_fit(text: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        build_layer(text, *shapes)
    assert message in str(caught.value)
