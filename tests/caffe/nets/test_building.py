"""Building a net: what Caffe logs on the way, and what is refused with which words."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from digits.caffe.errors import NetError
from digits.caffe.layers.base import Phase
from digits.caffe.layers.registry import create_layer, layer_types
from tests.caffe.networks import DATA, build

# Written by BVLC Caffe 1.0 for this net (after the net's own text).
NET = """
name: "logged"
layer { name: "d" type: "Input" top: "a" top: "l"
  input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "i" type: "InnerProduct" bottom: "a" top: "c" inner_product_param { num_output: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "l" top: "loss" loss_weight: 0.5 }
layer { name: "silence" type: "Silence" bottom: "a" }
"""
LOG = """\
layer_factory.hpp:77] Creating layer d
net.cpp:86] Creating Layer d
net.cpp:382] d -> a
net.cpp:382] d -> l
net.cpp:124] Setting up d
net.cpp:131] Top shape: 2 3 (6)
net.cpp:131] Top shape: 2 (2)
net.cpp:139] Memory required for data: 32
layer_factory.hpp:77] Creating layer a_d_0_split
net.cpp:86] Creating Layer a_d_0_split
net.cpp:408] a_d_0_split <- a
net.cpp:382] a_d_0_split -> a_d_0_split_0
net.cpp:382] a_d_0_split -> a_d_0_split_1
net.cpp:124] Setting up a_d_0_split
net.cpp:131] Top shape: 2 3 (6)
net.cpp:131] Top shape: 2 3 (6)
net.cpp:139] Memory required for data: 80
layer_factory.hpp:77] Creating layer i
net.cpp:86] Creating Layer i
net.cpp:408] i <- a_d_0_split_0
net.cpp:382] i -> c
net.cpp:124] Setting up i
net.cpp:131] Top shape: 2 3 (6)
net.cpp:139] Memory required for data: 104
layer_factory.hpp:77] Creating layer r
net.cpp:86] Creating Layer r
net.cpp:408] r <- c
net.cpp:369] r -> c (in-place)
net.cpp:124] Setting up r
net.cpp:131] Top shape: 2 3 (6)
net.cpp:139] Memory required for data: 128
layer_factory.hpp:77] Creating layer loss
net.cpp:86] Creating Layer loss
net.cpp:408] loss <- c
net.cpp:408] loss <- l
net.cpp:382] loss -> loss
layer_factory.hpp:77] Creating layer loss
net.cpp:124] Setting up loss
net.cpp:131] Top shape: (1)
net.cpp:134]     with loss weight 0.5
net.cpp:139] Memory required for data: 132
layer_factory.hpp:77] Creating layer silence
net.cpp:86] Creating Layer silence
net.cpp:408] silence <- a_d_0_split_1
net.cpp:124] Setting up silence
net.cpp:139] Memory required for data: 132
net.cpp:202] silence does not need backward computation.
net.cpp:200] loss needs backward computation.
net.cpp:200] r needs backward computation.
net.cpp:200] i needs backward computation.
net.cpp:202] a_d_0_split does not need backward computation.
net.cpp:202] d does not need backward computation.
net.cpp:244] This network produces output loss
net.cpp:257] Network initialization done."""


def test_log_equals_caffes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    build(tmp_path, NET)
    first, *rest = [f"{r.source}] {r.getMessage()}" for r in caplog.records]  # type: ignore[attr-defined]
    assert first.startswith('net.cpp:53] Initializing net from parameters: \nname: "logged"\nstate')
    assert "\n".join(rest) == LOG


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            'layer { name: "c" type: "Convolutional" bottom: "data" top: "c" }',
            "layer 'c' has the unknown type 'Convolutional'. Did you mean 'Convolution'",
        ),
        (
            'layer { name: "r" type: "ReLU" bottom: "data" top: "r" propagate_down: true '
            "propagate_down: true }",
            "specified either 0 or bottom_size times, received 2 for 1 bottom(s)",
        ),
        (
            'layer { name: "r" type: "ReLU" bottom: "data" top: "r" param { lr_mult: 1 } }',
            "Too many params specified: 1 param, but the layer has 0 parameter(s)",
        ),
        (
            'layer { name: "r" type: "ReLU" bottom: "data" bottom: "label" top: "r" }',
            "ReLU Layer takes 1 bottom blob(s) as input, received 2",
        ),
        (
            'layer { name: "r" type: "Concat" top: "r" }',
            "Concat Layer takes at least 1 bottom blob(s) as input, received 0",
        ),
        (
            'layer { name: "r" type: "Pooling" bottom: "data" top: "a" top: "b" top: "c" }',
            "Pooling Layer produces at most 2 top blob(s) as output, received 3",
        ),
        (
            'layer { name: "r" type: "Convolution" bottom: "data" bottom: "label" top: "a" }',
            "one top blob as output for each bottom blob input, received 2 bottom(s) and 1 top(s)",
        ),
        (
            'layer { name: "i" type: "InnerProduct" bottom: "data" top: "i" inner_product_param { '
            'num_output: 2 weight_filler { type: "xaviar" } } }',
            "layer 'i' (InnerProduct): Unknown filler name: xaviar. Did you mean 'xavier'?",
        ),
        (
            'layer { name: "i" type: "InnerProduct" bottom: "data" top: "i" inner_product_param { '
            "num_output: 2000000000 } }",
            "blob size exceeds INT_MAX",
        ),
        (
            'layer { name: "i" type: "Input" top: "x" input_param { shape { dim: -3 } } }',
            "layer 'i' (Input): a blob cannot have the shape (-3,): lengths are 0 or more",
        ),
        (
            'layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 65536 dim: 65536 '
            "} } }",
            "layer 'i' (Input): blob size exceeds INT_MAX",
        ),
        ('layer { name: "i" type: "Slice" bottom: "data" top: "x" top: "x" }', "multiple sources"),
    ],
)
def test_layer_that_cannot_be_built_is_named(tmp_path: Path, layers: str, message: str) -> None:
    with pytest.raises(NetError) as refusal:
        build(tmp_path, DATA + layers)
    assert message in str(refusal.value)


@pytest.mark.parametrize("multiplier", ["lr_mult", "decay_mult"])
def test_sharing_layers_must_agree_on_multipliers(tmp_path: Path, multiplier: str) -> None:
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "data" top: "{0}" '
        'param {{ name: "w" {1} }} inner_product_param {{ num_output: {2} }} }}'
    )
    first = DATA + layer.format("i", f"{multiplier}: 1", 3)
    with pytest.raises(NetError, match=f"Shared param 'w' has mismatched {multiplier}: 2 here"):
        build(tmp_path, first + layer.format("j", f"{multiplier}: 2", 3))
    with pytest.raises(NetError, match="count mismatch.  Owner layer param shape is 3 4"):
        build(tmp_path, first + layer.format("j", "share_mode: PERMISSIVE", 5))


def test_loss_without_a_top_gets_one(tmp_path: Path) -> None:
    net = build(tmp_path, DATA + 'layer { name: "l" type: "EuclideanLoss" bottom: "data" bottom: '
                '"data" }', Phase.TEST)  # fmt: skip
    assert (list(net.blobs)[-1], net.outputs) == ("(automatic)", ["label"])
    assert net.blob_loss_weights["(automatic)"] == 1


def test_every_layer_type_of_caffe_is_known() -> None:
    assert len(layer_types()) == 61
    assert create_layer.__module__ == "digits.caffe.layers.registry"
