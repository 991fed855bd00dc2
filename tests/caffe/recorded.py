"""Nets with the parameters that pycaffe's Classifier and Detector were recorded with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from digits.caffe.layers.base import Phase
from digits.caffe.net import Net

RECORDINGS = Path(__file__).parent / "pycaffe"

NET = """
layer {{ name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: 4 dim: 3 dim: {height} dim: {width} }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 4 kernel_size: 3 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param {{ num_output: 5 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "ip" top: "prob" }}
"""


def recording() -> Mapping[str, Any]:
    """Inputs and outputs of pycaffe 1.0 (Caffe 1.0.0, scikit-image 0.18)."""
    with np.load(RECORDINGS / "classifier.npz") as file:
        return dict(file)


def recorded_net(folder: Path, kind: str, height: int, width: int) -> tuple[Path, Path]:
    """The prototxt and the weights of the net `kind` of the recording."""
    prototxt, weights = folder / "deploy.prototxt", folder / "net.caffemodel"
    prototxt.write_text(NET.format(height=height, width=width))
    net = Net(prototxt, Phase.TEST)
    values = recording()
    for layer, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            blob.data[...] = values[f"{kind}.param.{layer}.{index}"]
    net.save(weights)
    return prototxt, weights
