"""What of a network learns, as plain lr_mult and decay_mult of its layers."""

from __future__ import annotations

import pytest

from digits.caffe import TRAIN, Net
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter
from digits.model.network.fine_tune import parameter_count
from digits.model.network.text import parse_network, standard_network_text
from digits.model.network.training import NetworkOptions, make_networks
from tests.model.cases import facts

LITE0 = "efficientnet-lite0"


def trained(network: str, choice: str, factor: float = 10.0) -> NetParameter:
    text = standard_network_text(network) if "\n" not in network else network
    channels = 1 if network == "lenet" else 3
    options = NetworkOptions(use_mean=False, fine_tune=choice, head_lr_mult=factor)
    made = make_networks(parse_network(text), facts(labels=5, channels=channels), options)
    return made.train_val


def learning(net: NetParameter) -> list[str]:
    """The layers that have weights which learn."""
    layers = (layer for layer in net.layer if layer.type in ("Convolution", "InnerProduct"))
    return [layer.name for layer in layers if any(spec.lr_mult for spec in layer.param)]


def mults(layer: LayerParameter) -> list[tuple[float, float]]:
    return [(spec.lr_mult, spec.decay_mult) for spec in layer.param]


def named(net: NetParameter) -> dict[str, LayerParameter]:
    return {layer.name: layer for layer in net.layer}


def test_only_the_last_layer_learns_and_faster() -> None:
    layers = named(trained(LITE0, "head"))
    assert mults(layers["fc"]) == [(10, 1), (20, 0)]
    assert mults(layers["stem"]) == [(0, 0)]
    assert mults(layers["stem_bn"]) == [(0, 0)] * 3
    assert mults(layers["head_scale"]) == [(0, 0)] * 2
    norms = [layer for layer in layers.values() if layer.type == "BatchNorm"]
    assert len(norms) == 49
    assert all(layer.batch_norm_param.use_global_stats for layer in norms)


def test_the_last_blocks_are_the_last_third() -> None:
    net = trained(LITE0, "last_blocks", 3)
    names = learning(net)
    assert (len(names), names[0], names[-2:]) == (17, "b11_expand", ["head", "fc"])
    layers = named(net)
    assert mults(layers["fc"]) == [(3, 1), (6, 0)]
    assert mults(layers["b11_expand"]) == [(1, 1)]
    assert layers["b10_project_bn"].batch_norm_param.use_global_stats
    assert not layers["b11_expand_bn"].batch_norm_param.HasField("use_global_stats")
    assert mults(layers["b10_project_scale"]) == [(0, 0)] * 2


@pytest.mark.parametrize(
    ("network", "choice", "expected"),
    [
        ("lenet", "head", ["ip2"]),
        ("lenet", "last_blocks", ["ip1", "ip2"]),
        ("alexnet", "last_blocks", ["fc6", "fc7", "fc8"]),
        ("googlenet", "head", ["loss1/classifier", "loss2/classifier", "loss3/classifier"]),
    ],
)
def test_any_network_can_keep_a_part(network: str, choice: str, expected: list[str]) -> None:
    assert learning(trained(network, choice)) == expected


def test_everything_learns_and_what_was_kept_before_is_let_go() -> None:
    kept = trained(LITE0, "head", 1)
    for layer in kept.layer:
        if layer.type == "Data":
            layer.data_param.ClearField("source")
    net = trained(str(kept), "all", 2)
    layers = named(net)
    assert len(learning(net)) == 50
    assert mults(layers["stem"]) == [(1, 1)]
    assert mults(layers["stem_scale"]) == [(1, 1), (1, 0)]
    assert not layers["stem_bn"].batch_norm_param.HasField("use_global_stats")
    assert mults(layers["fc"]) == [(2, 1), (4, 0)]


def test_nothing_changes_where_nothing_is_chosen() -> None:
    assert trained("alexnet", "").layer[2:] == trained("alexnet", "all", 1).layer[2:]


LAYERS = """
layer { name: "in" type: "Input" top: "x" top: "s" top: "c" top: "i" top: "t" input_param {
  shape { dim: 2 dim: 3 dim: 4 dim: 4 } shape { dim: 2 dim: 3 dim: 5 } shape { dim: 2 dim: 3 }
  shape { dim: 2 dim: 3 } shape { dim: 3 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "a1" convolution_param { num_output: 2
  kernel_size: 1 } }
layer { name: "bare" type: "Convolution" bottom: "x" top: "a2" convolution_param { num_output: 2
  kernel_size: 1 bias_term: false } }
layer { name: "deconv" type: "Deconvolution" bottom: "x" top: "a3" convolution_param {
  num_output: 2 kernel_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "a4" inner_product_param {
  num_output: 2 } }
layer { name: "embed" type: "Embed" bottom: "i" top: "a5" embed_param { num_output: 2 input_dim: 9
  bias_term: false } }
layer { name: "scale" type: "Scale" bottom: "x" top: "a6" scale_param { bias_term: true } }
layer { name: "scale2" type: "Scale" bottom: "x" bottom: "x" top: "a7" scale_param { axis: 0
  bias_term: true } }
layer { name: "bias" type: "Bias" bottom: "x" top: "a8" }
layer { name: "bn" type: "BatchNorm" bottom: "x" top: "a9" }
layer { name: "prelu" type: "PReLU" bottom: "x" top: "a10" }
layer { name: "lstm" type: "LSTM" bottom: "s" bottom: "c" top: "a11" recurrent_param {
  num_output: 2 } }
layer { name: "rnn" type: "RNN" bottom: "s" bottom: "c" top: "a12" recurrent_param {
  num_output: 2 } }
layer { name: "static" type: "LSTM" bottom: "s" bottom: "c" bottom: "t" top: "a13" recurrent_param {
  num_output: 2 } }
"""


def test_parameters_are_counted_as_the_engine_makes_them() -> None:
    param = parse_network(LAYERS)
    net = Net(param, TRAIN)
    counted = {layer.name: parameter_count(layer) for layer in param.layer[1:]}
    assert counted == {name: len(net.params[name]) for name in counted if name in net.params} | {
        name: 0 for name in counted if name not in net.params
    }
