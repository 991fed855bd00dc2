"""Layers that run as one compute what they compute one by one."""

from __future__ import annotations

import pytest
import torch
from google.protobuf import text_format

from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import NetParameter

NET = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 4 dim: 3 dim: 6 dim: 6 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 5 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "bn" type: "BatchNorm" bottom: "conv" top: "{bn}" }}
layer {{ name: "scale" type: "Scale" bottom: "{bn}" top: "{scale}"
  scale_param {{ {fields} filler {{ type: "uniform" }} bias_filler {{ type: "uniform" }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "{scale}" top: "{scale}" }}
layer {{ name: "loss" type: "Reduction" bottom: "{scale}" top: "loss" loss_weight: 1
  reduction_param {{ operation: SUMSQ }} }}
{more}
"""  # noqa: E501

CASES = {
    "in place": {"bn": "conv", "scale": "conv", "fields": "bias_term: true", "more": ""},
    "not in place": {"bn": "bn", "scale": "scale", "fields": "bias_term: true", "more": ""},
    "without bias": {"bn": "bn", "scale": "bn", "fields": "", "more": ""},
    "negative axis": {"bn": "bn", "scale": "bn", "fields": "axis: -3", "more": ""},
    # These cannot run as one: the blob between is used, or the factors are not per channel.
    "blob used": {
        "bn": "bn",
        "scale": "scale",
        "fields": "bias_term: true",
        "more": 'layer { name: "more" type: "Reduction" bottom: "bn" top: "m" loss_weight: 2 }',
    },
    "another axis": {"bn": "bn", "scale": "bn", "fields": "axis: 2", "more": ""},
}


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("case", CASES)
def test_batch_norm_and_scale_run_as_one_with_the_same_result(case: str, phase: Phase) -> None:
    message = text_format.Parse(NET.format(**CASES[case]), NetParameter())
    generator = torch.Generator().manual_seed(0)
    pictures = [torch.randn(4, 3, 6, 6, generator=generator) for _ in range(2)]
    results = []
    for keep_blobs in (True, False):
        context = LayerContext(random=Randomness(1), dtype=torch.float64)
        net = Net(message, phase, context=context, keep_blobs=keep_blobs)
        net.params["bn"][2].data[...] = net.params["bn"][1].data[...] = 1
        for picture in pictures:
            net.blobs["data"].data[...] = picture
            loss = net.forward_pass()
            if phase is Phase.TRAIN:
                net.backward_pass()
        values = [blob.data.copy() for blobs in net.params.values() for blob in blobs]
        diffs = [b.diff.copy() for name in ("conv", "scale") for b in net.params[name]]
        results.append([torch.as_tensor(v) for v in [loss.detach(), *values, *diffs]])
    torch.testing.assert_close(results[1], results[0])


def test_the_joined_layer_is_not_run() -> None:
    message = text_format.Parse(NET.format(**CASES["in place"]), NetParameter())
    joined = {
        keep_blobs: [
            node.name
            for node in Net(message, Phase.TEST, keep_blobs=keep_blobs)._parts.nodes
            if node.joined
        ]
        for keep_blobs in (True, False)
    }
    assert joined == {True: [], False: ["bn"]}
