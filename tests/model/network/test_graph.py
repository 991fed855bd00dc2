"""Which layers exist in a state: the form and the engine read a layer's rules alike."""

from __future__ import annotations

import pytest

from digits.caffe.errors import NetError
from digits.caffe.formats import prototxt
from digits.caffe.nets.rules import filter_net
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import NetParameter, NetState
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.parsing import message_with_line
from digits.model.network.text import parse_network

RULES = [
    "",
    "include {}",
    "exclude {}",
    "include { phase: TRAIN }",
    "exclude { phase: TRAIN }",
    "include { phase: TEST } include { stage: 'train' }",
    "exclude { phase: TEST } exclude { stage: 'train' }",
    "include { stage: 'val' stage: 'deploy' }",
    "include { not_stage: 'deploy' }",
    "exclude { not_stage: 'deploy' not_stage: 'val' }",
    "include { min_level: 1 }",
    "include { max_level: 0 }",
    "exclude { min_level: -1 max_level: 2 }",
    "include { phase: TRAIN } exclude { stage: 'val' }",
    "include {} exclude {}",
    "exclude { phase: TEST } include { phase: TEST }",
]
STATES = [
    graph.TRAIN,
    graph.VAL,
    graph.DEPLOY,
    NetState(phase=caffe_pb2.TRAIN, level=1),
    NetState(phase=caffe_pb2.TEST, level=-2, stage=["train", "val"]),
]


def net_with(rules: str) -> NetParameter:
    text = f'layer {{ name: "a" type: "ReLU" }} layer {{ name: "b" type: "ReLU" {rules} }}'
    return prototxt.parse_text(text, NetParameter())


def engine_says(net: NetParameter, state: NetState) -> list[str] | str:
    seen = NetParameter(state=state)
    seen.MergeFrom(net)
    try:
        return [layer.name for layer in filter_net(seen).layer]
    except NetError as error:
        return str(error)


def form_says(net: NetParameter, state: NetState) -> list[str] | str:
    try:
        return [layer.name for layer in graph.layers_in(net, state)]
    except NetworkError as error:
        return str(error)


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
@pytest.mark.parametrize("rules", RULES)
def test_the_form_and_the_engine_take_the_same_layers(rules: str, state: NetState) -> None:
    net = net_with(rules)
    assert form_says(net, state) == engine_says(net, state)


@pytest.mark.parametrize(
    "rules", [rules for rules in RULES if "include" in rules and "exclude" in rules]
)
def test_a_layer_with_both_kinds_of_rules_is_refused_with_its_line(rules: str) -> None:
    text = f'layer {{ name: "a" type: "ReLU" }}\nlayer {{ name: "b" type: "ReLU"\n {rules} }}\n'
    with pytest.raises(NetworkError, match="include rules or exclude rules; not both") as caught:
        parse_network(text)
    assert message_with_line(caught.value, text).startswith("Line 2: layer 'b': ")
