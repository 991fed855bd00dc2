"""The networks that people use, as ONNX: seeded weights, one picture and several."""

from __future__ import annotations

import pytest

from benchmarks.networks import deploy_net
from digits.caffe.export.net import FREE, model_of, open_net
from digits.caffe.machine.randomness import default_randomness
from tests.caffe.export.running import assert_equal, random_feeds


@pytest.mark.parametrize(
    "name",
    [
        "lenet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("alexnet", "googlenet", "resnet50", "lite0")
        ),
    ],
)
def test_a_network_gives_what_the_engine_gives_in_any_batch(name: str) -> None:
    default_randomness().seed(1)
    net = open_net(deploy_net(name, 1), None)
    for layer, params in net.params.items():
        if net.layer_dict[layer].type == "BatchNorm":
            # Statistics of a training, summed up twice.
            for blob, value in zip(params, (0.2, 1.6, 2.0), strict=True):
                blob.data[...] = value
    model = model_of(net, FREE)
    for times in (1, 3):
        assert_equal(net, model, random_feeds(net, times))
