"""EfficientNet-Lite0 up to its features: as a training has it, and written in PyTorch by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from digits.caffe.data import datum, db
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net
from digits.model.network.text import parse_network, standard_network_text
from digits.model.network.training import DatasetFacts, NetworkOptions, make_networks
from digits.tools import efficientnet_lite0 as lite0
from digits.tools.pretrained_weights import Tensors

NETWORK = "efficientnet-lite0"
BATCH = 32
# Of the head, which is not looked at here.
CATEGORIES = 5


class Folded(nn.Module):
    """A convolution with its normalisation in its weights, padded as in training."""

    def __init__(self, spec: lite0.ConvolutionSpec, tensors: Tensors) -> None:
        super().__init__()
        mean, variance, factor, bias = (
            tensors[f"{spec.norm_key}.{name}"]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        factor = factor / torch.sqrt(variance + 0.001)
        weight = tensors[f"{spec.key}.weight"] * factor.reshape(-1, 1, 1, 1)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(bias - mean * factor)
        self.spec = spec

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spec, pad = self.spec, self.spec.kernel // 2
        if spec.stride == 2:
            x, pad = functional.pad(x, (pad - 1, pad, pad - 1, pad)), 0
        x = functional.conv2d(x, self.weight, self.bias, spec.stride, pad, groups=spec.group)
        return functional.relu6(x, inplace=True) if spec.is_clipped else x


class HandWritten(nn.Module):
    """The features of R,G,B pictures."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        self.stem = Folded(lite0.stem(), tensors)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Folded(spec, tensors) for spec in block.convolutions))
            for block in lite0.blocks()
        )
        self.adds = [block.adds_bottom for block in lite0.blocks()]
        self.head = Folded(lite0.head(), tensors)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block, adds in zip(self.blocks, self.adds, strict=True):
            x = x + block(x) if adds else block(x)
        return self.head(x).mean((2, 3))


def frozen_net(folder: Path, pictures: np.ndarray, weights: Path) -> Net:
    """The network as a training has it whose head alone learns, of pictures (n, h, w, 3)."""
    side, source = pictures.shape[1], str(folder / f"db_{pictures.shape[1]}")
    with db.Writer(source) as writer:
        for number, picture in enumerate(pictures):
            writer.put(f"{number:08d}".encode(), datum.raw(picture, 0).SerializeToString())
    made = make_networks(
        parse_network(standard_network_text(NETWORK, side)),
        DatasetFacts(CATEGORIES, 3, side, side, source, None, None),
        NetworkOptions(use_mean=False, fine_tune="head"),
    )
    context = LayerContext(channels_last=True, random=Randomness())
    net = Net(made.train_val, Phase.TRAIN, context=context, keep_blobs=False)
    net.copy_from(weights)
    return net
