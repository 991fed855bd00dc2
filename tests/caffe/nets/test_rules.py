"""Include and exclude rules, with the remarks that Caffe logs for them."""

from __future__ import annotations

import logging

import pytest

from digits.caffe.errors import NetError
from digits.caffe.formats import prototxt
from digits.caffe.nets.rules import filter_net
from digits.caffe.proto import caffe_pb2

NET = """
state { phase: TRAIN level: 0 stage: "s" }
layer { name: "d" }
layer { name: "e" include { min_level: 3 } }
layer { name: "f" include { max_level: -1 } }
layer { name: "g" include { stage: "x" stage: "y" } }
layer { name: "h" include { not_stage: "s" } include { phase: TEST } }
layer { name: "i" exclude { stage: "q" } }
layer { name: "j" exclude { stage: "q" } exclude { phase: TRAIN } }
"""


def test_reasons_for_leaving_layers_out_are_logged_as_in_caffe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    net = filter_net(prototxt.parse_text(NET, caffe_pb2.NetParameter()))
    assert [layer.name for layer in net.layer] == ["d", "i"]
    assert [f"{r.source}] {r.getMessage()}" for r in caplog.records] == [  # type: ignore[attr-defined]
        "net.cpp:306] The NetState level (0) is above the min_level (3) specified by a rule in "
        "layer e",
        "net.cpp:316] The NetState level (0) is above the max_level (-1) specified by a rule in "
        "layer f",
        "net.cpp:332] The NetState did not contain stage 'x' specified by a rule in layer g",
        "net.cpp:347] The NetState contained a not_stage 's' specified by a rule in layer h",
        "net.cpp:296] The NetState phase (0) differed from the phase (1) specified by a rule in "
        "layer h",
        "net.cpp:332] The NetState did not contain stage 'q' specified by a rule in layer i",
        "net.cpp:332] The NetState did not contain stage 'q' specified by a rule in layer j",
    ]


def test_a_layer_with_both_kinds_of_rules_is_refused() -> None:
    net = 'layer { name: "both" include { phase: TRAIN } exclude { stage: "x" } }'
    with pytest.raises(NetError, match="both"):
        filter_net(prototxt.parse_text(net, caffe_pb2.NetParameter()))
