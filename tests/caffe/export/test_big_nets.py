"""The networks that people use, as ONNX: seeded weights, one picture and several."""

from __future__ import annotations

import pytest

from benchmarks.networks import deploy_net
from digits.caffe.export.net import FREE, model_of, open_net
from digits.caffe.layers.base import Phase
from digits.caffe.machine.randomness import default_randomness
from digits.caffe.net import Net
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
    net = open_net(deploy_net(name, 1), None)
    net.share_with(passed_once(name))
    model = model_of(net, FREE)
    for times in (1, 3):
        assert_equal(net, model, random_feeds(net, times))


def passed_once(name: str) -> Net:
    """The network with seeded weights, and the statistics of a pass in its BatchNorms."""
    default_randomness().seed(1)
    net = Net(deploy_net(name, 2), Phase.TRAIN)
    net.blobs["data"].data[...] = random_feeds(net)["data"]
    net.forward()
    # Random weights make scores of tens, by which a softmax multiplies what float32 rounds off.
    last = [layer for layer in net.params if net.layer_dict[layer].type == "InnerProduct"][-1]
    net.params[last][0].data[...] *= 0.1
    return net
