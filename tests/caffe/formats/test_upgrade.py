"""Old formats become the current one, with Caffe's log remarks."""

from __future__ import annotations

import json
import logging

import pytest

from digits.caffe.errors import NetError, SolverError
from digits.caffe.formats import prototxt, upgrade
from digits.caffe.formats.upgrade_v1 import type_name
from digits.caffe.proto import caffe_pb2
from tests.golden.cases import DATA


def _net(text: str) -> caffe_pb2.NetParameter:
    return prototxt.parse_text(text, caffe_pb2.NetParameter())


def _remarks(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{r.levelname[0]} {r.source}] {r.getMessage()}" for r in caplog.records]  # type: ignore[attr-defined]


def test_v0_layers_get_their_fields_where_they_belong_now(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    net = _net("""
      layers { layer { name: "d" type: "images" source: "s" scale: 0.5 meanfile: "m" batchsize: 4
        cropsize: 5 mirror: true rand_skip: 3 shuffle_images: true new_height: 4 new_width: 6 }
        top: "a" top: "l" }
      layers { layer { name: "p" type: "padding" pad: 2 } bottom: "a" top: "b" }
      layers { layer { name: "c" type: "conv" num_output: 3 biasterm: false kernelsize: 3 stride: 2
        weight_filler { type: "xavier" } blobs_lr: 1 blobs_lr: 2 weight_decay: 3 }
        bottom: "b" top: "c" }
      layers { layer { name: "o" type: "lrn" local_size: 3 kernelsize: 7 } bottom: "c" top: "o" }
    """)
    assert upgrade.upgrade_net(net, "old.prototxt") is False
    data, conv, lrn = net.layer
    assert prototxt.to_text(data.transform_param) == (
        'scale: 0.5\nmirror: true\ncrop_size: 5\nmean_file: "m"\n'
    )
    assert prototxt.to_text(data.image_data_param) == (
        'source: "s"\nbatch_size: 4\nrand_skip: 3\nshuffle: true\nnew_height: 4\nnew_width: 6\n'
    )
    assert conv.bottom == ["a"]
    assert prototxt.to_text(conv.convolution_param) == (
        "num_output: 3\nbias_term: false\npad: 2\nkernel_size: 3\nstride: 2\n"
        'weight_filler {\n  type: "xavier"\n}\n'
    )
    assert [(p.lr_mult, p.decay_mult) for p in conv.param] == [(1, 3), (2, 1)]
    assert prototxt.to_text(lrn.lrn_param) == "local_size: 3\n"
    assert _remarks(caplog) == [
        "I upgrade_proto.cpp:28] Attempting to upgrade input file specified using deprecated "
        "V0LayerParameter: old.prototxt",
        "E upgrade_proto.cpp:295] Unknown parameter kernelsize for layer type lrn",
        "E upgrade_proto.cpp:33] Warning: had one or more problems upgrading V0NetParameter to "
        "NetParameter (see above); continuing anyway.",
        "W upgrade_proto.cpp:39] Note that future Caffe releases will not support V0NetParameter; "
        "use ./build/tools/upgrade_net_proto_text for prototxt and "
        "./build/tools/upgrade_net_proto_binary for model weights upgrade this and any other net "
        "protos to the new format.",
        "I upgrade_proto.cpp:55] Attempting to upgrade input file specified using deprecated "
        "V1LayerParameter: old.prototxt",
        "I upgrade_proto.cpp:63] Successfully upgraded file specified using deprecated "
        "V1LayerParameter",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layers { layer { name: "x" type: "foo" } top: "a" }', "V0 type 'foo'"),
        (
            'input: "a" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 1 '
            'layers { layer { name: "p" type: "padding" pad: 2 } bottom: "a" top: "b" } '
            'layers { layer { name: "r" type: "relu" } bottom: "b" top: "b" }',
            "Padding layer input to non-convolutional / non-pooling layer type relu",
        ),
        (
            'layers { layer { name: "r" type: "relu" } bottom: "b" top: "b" }',
            "Unknown blob input b",
        ),
        ('layers { type: RELU } layer { type: "ReLU" }', "both 'layer' and 'layers' fields"),
        ('input: "a" input_dim: 1 input_dim: 3', "Give one input_shape, or four input_dim"),
    ],
)
def test_what_caffe_cannot_upgrade_is_refused(text: str, message: str) -> None:
    with pytest.raises(NetError) as refusal:
        upgrade.upgrade_net(_net(text), "old.prototxt")
    assert message in str(refusal.value)


def test_a_net_whose_data_layers_are_added_later_may_read_what_no_layer_makes() -> None:
    text = """layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "padded" }
              layers { layer { name: "conv" type: "conv" num_output: 3 kernelsize: 5 }
                       bottom: "padded" top: "conv" }"""
    with pytest.raises(NetError, match="Unknown blob input data"):
        upgrade.upgrade_net(_net(text), "old.prototxt")
    net = _net(text)
    assert upgrade.upgrade_net(net, "old.prototxt", is_whole=False)
    (layer,) = net.layer
    assert (layer.type, list(layer.bottom), list(layer.convolution_param.pad)) == (
        "Convolution", ["data"], [2],
    )  # fmt: skip


def test_v1_parameters_become_param_messages() -> None:
    net = _net("""
      layers { name: "t" type: TANH bottom: "b" top: "c" param: "a" param: "b"
        blob_share_mode: PERMISSIVE blobs_lr: 1 blobs_lr: 2 blobs_lr: 3 weight_decay: 1
        loss_weight: 2 include { phase: TEST } exclude { stage: "x" } }
    """)
    assert upgrade.upgrade_net(net, "old.prototxt")
    assert prototxt.to_text(net) == (
        'layer {\n  name: "t"\n  type: "TanH"\n  bottom: "b"\n  top: "c"\n  loss_weight: 2\n'
        '  param {\n    name: "a"\n    share_mode: PERMISSIVE\n    lr_mult: 1\n    decay_mult: 1\n'
        '  }\n  param {\n    name: "b"\n    lr_mult: 2\n  }\n  param {\n    lr_mult: 3\n  }\n'
        '  include {\n    phase: TEST\n  }\n  exclude {\n    stage: "x"\n  }\n}\n'
    )


def test_every_v1_type_has_a_current_name() -> None:
    known = json.loads((DATA / "schema" / "caffe_schema.json").read_text())["layer_types"]
    types = caffe_pb2.V1LayerParameter.LayerType.values()
    assert {type_name(v1_type) for v1_type in types} - set(known) == {""}


def test_input_fields_without_sizes_are_only_dropped() -> None:
    net = _net('input: "a" layer { name: "r" type: "ReLU" }')
    assert upgrade.needs_upgrade(net)
    upgrade.upgrade_net(net, "weights")
    assert [layer.name for layer in net.layer] == ["r"]
    assert not upgrade.needs_upgrade(net)


def test_solver_type_becomes_type(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    solver = caffe_pb2.SolverParameter(solver_type=caffe_pb2.SolverParameter.RMSPROP)
    upgrade.upgrade_solver(solver, "solver.prototxt")
    assert (solver.type, solver.HasField("solver_type")) == ("RMSProp", False)
    assert [remark.split("]")[0] for remark in _remarks(caplog)] == [
        "I upgrade_proto.cpp:1084",
        "I upgrade_proto.cpp:1091",
        "W upgrade_proto.cpp:1093",
    ]


def test_solver_with_both_type_fields_is_refused() -> None:
    solver = caffe_pb2.SolverParameter(solver_type=caffe_pb2.SolverParameter.ADAM, type="SGD")
    with pytest.raises(SolverError, match="cannot be both specified"):
        upgrade.upgrade_solver(solver, "solver.prototxt")
