"""Labels that are checked later, as on a GPU: what a layer computes with, what is found then."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from digits.caffe.errors import LayerError
from digits.caffe.layers import labels
from digits.caffe.layers.base import Layer
from digits.caffe.nets.verdict import Verdict
from tests.caffe.layers.harness import build_layer

LOSS = 'type: "SoftmaxWithLoss"'


@pytest.fixture
def layer() -> Layer:
    return build_layer(LOSS, (4, 5), (4,))


def checked(layer: Layer, values: list[float], ignored: int | None) -> torch.Tensor:
    given = torch.tensor(values)
    explain = partial(labels._out_of_range, layer, 1, given, 5, "of a reason", ignored)
    return labels._checked_later(layer, given, given.to(torch.int64), 5, explain, ignored)


def verdict(layer: Layer) -> Verdict:
    assert layer.check is not None
    return Verdict(torch.tensor(2.5), [layer.check])


@pytest.mark.parametrize(
    ("values", "ignored", "used"),
    [
        ([0.0, 4.0, 2.7, -0.5], None, [0, 4, 2, 0]),
        ([0.0, 255.0, 2.0, 4.0], 255, [0, 255, 2, 4]),
        ([-1.0, -1.0, -1.0, -1.0], -1, [-1, -1, -1, -1]),
    ],
)
def test_labels_in_range_are_used_as_they_are(
    layer: Layer, values: list[float], ignored: int | None, used: list[int]
) -> None:
    assert checked(layer, values, ignored).tolist() == used
    assert verdict(layer).loss() == 2.5


@pytest.mark.parametrize(
    ("values", "ignored", "used", "words"),
    [
        ([0.0, 5.0, 2.0, 9.0], None, [0, 4, 2, 4], "holds 5 at position 1"),
        ([0.0, 1.0, -1.0, 3.0], None, [0, 1, 0, 3], "holds -1 at position 2"),
        ([255.0, 1.0, 300.0, 3.0], 255, [255, 1, 4, 3], "holds 300 at position 2"),
    ],
)
def test_labels_out_of_range_do_no_harm_until_they_are_named(
    layer: Layer, values: list[float], ignored: int | None, used: list[int], words: str
) -> None:
    assert checked(layer, values, ignored).tolist() == used
    with pytest.raises(LayerError, match=words):
        verdict(layer).loss()


def test_a_label_that_is_no_number_is_named(layer: Layer) -> None:
    checked(layer, [0.0, 1.0, 2.0, float("nan")], None)
    with pytest.raises(LayerError, match="holds nan at position 3"):
        verdict(layer).loss()


def test_a_loss_without_checks_is_the_loss() -> None:
    loss = torch.tensor(0.1)
    made = Verdict(loss, [])
    loss.fill_(7)
    assert made.loss() == pytest.approx(0.1)
