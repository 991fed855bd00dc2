"""Tiny nets for the tests of the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net

DATA = """
layer { name: "data_in" type: "Input" top: "data" input_param { shape { dim: 3 dim: 4 } } }
layer { name: "label_in" type: "Input" top: "label" input_param { shape { dim: 3 } } }
"""
# Two dense layers, a ReLU in place, a loss: names as in Caffe's examples.
TWO_LAYERS = f"""
name: "two"
{DATA}
layer {{
  name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }}
}}
layer {{ name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }}
layer {{
  name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }}
}}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }}
"""


def build(
    folder: Path, text: str, phase: Phase = Phase.TRAIN, *, seed: int = 1, keep_blobs: bool = True
) -> Net:
    """The net of a prototxt text, with seeded weights and inputs."""
    path = folder / "net.prototxt"
    path.write_text(text)
    context = LayerContext(random=Randomness(seed), allow_python=True)
    net = Net(path, phase, context=context, keep_blobs=keep_blobs)
    fill_inputs(net, seed)
    return net


def fill_inputs(net: Net, seed: int = 1) -> None:
    """Random numbers in all inputs; whole numbers below 3 in labels."""
    numbers = np.random.default_rng(seed)
    for name in net.inputs:
        shape = net.blobs[name].shape
        is_label = "label" in name
        values = numbers.integers(0, 3, shape) if is_label else numbers.standard_normal(shape)
        net.blobs[name].data[...] = values
