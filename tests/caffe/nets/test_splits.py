"""Splits are inserted where a top is used more than once; bottoms that nobody makes are named."""

from __future__ import annotations

import pytest

from digits.caffe.errors import NetError
from digits.caffe.formats import prototxt
from digits.caffe.nets.splits import insert_splits
from digits.caffe.proto import caffe_pb2


def _split(text: str) -> caffe_pb2.NetParameter:
    return insert_splits(prototxt.parse_text(text, caffe_pb2.NetParameter()))


def test_loss_that_is_used_keeps_its_weight_on_the_first_split_top() -> None:
    net = _split(
        'layer { name: "a" top: "x" loss_weight: 2 } layer { name: "b" bottom: "x" top: "y" }'
    )
    made, split, user = net.layer
    assert (split.name, list(split.top)) == ("x_a_0_split", ["x_a_0_split_0", "x_a_0_split_1"])
    assert (list(made.loss_weight), list(split.loss_weight)) == ([], [2, 0])
    assert list(user.bottom) == ["x_a_0_split_1"]


def test_split_is_named_after_the_layer_that_wrote_last() -> None:
    net = _split(
        'layer { name: "a" top: "x" } layer { name: "r" bottom: "x" top: "x" } '
        'layer { name: "b" bottom: "x" bottom: "x" top: "y" }'
    )
    assert [layer.name for layer in net.layer] == ["a", "r", "x_r_0_split", "b"]
    assert list(net.layer[3].bottom) == ["x_r_0_split_0", "x_r_0_split_1"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            'layer { name: "a" top: "conv1" } layer { name: "b" bottom: "conv" }',
            "(Unknown bottom blob 'conv', bottom index 0). Did you mean 'conv1'?",
        ),
        ('layer { name: "a" top: "x" } layer { name: "b" bottom: "q" }', "Tops so far: x."),
        (
            'layer { name: "a" bottom: "y" top: "x" } layer { name: "b" bottom: "x" top: "y" }',
            "Layer 'b' below it does: layers run in the order of the file, so move it up; a net "
            "must not have cycles.",
        ),
        ('layer { name: "a" bottom: "x" top: "x" }', "The layer makes that top itself"),
    ],
)
def test_unknown_bottom_is_named_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(NetError) as refusal:
        _split(text)
    assert hint in str(refusal.value)
