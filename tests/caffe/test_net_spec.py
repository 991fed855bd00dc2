"""Nets written in Python: the same messages as pycaffe 1.0 makes, recorded with Caffe 1.0.0."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from digits.caffe.net_spec import (
    NetSpec,
    Top,
    assign_proto,
    param_name_dict,
    to_proto,
)
from digits.caffe.net_spec import layers as L
from digits.caffe.net_spec import params as P
from digits.caffe.proto import caffe_pb2

RECORDINGS = Path(__file__).parent / "pycaffe"


def lenet() -> caffe_pb2.NetParameter:
    n = NetSpec()
    n.data, n.label = L.DummyData(
        shape=[{"dim": [2, 1, 28, 28]}, {"dim": [2, 1, 1, 1]}],
        transform_param={"scale": 1.0 / 255},
        ntop=2,
    )
    n.conv1 = L.Convolution(
        n.data,
        kernel_size=5,
        num_output=20,
        weight_filler={"type": "xavier"},
        param=[{"lr_mult": 1}, {"lr_mult": 2}],
    )
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.relu1 = L.ReLU(n.pool1, in_place=True)
    n["ip/1"] = L.InnerProduct(n.relu1, num_output=10)
    n.loss = L.SoftmaxWithLoss(n["ip/1"], n.label, loss_weight=0.5, propagate_down=[True, False])
    return n.to_proto()


def anon() -> caffe_pb2.NetParameter:
    """A net of unnamed tops."""
    data, label = L.DummyData(shape={"dim": [2, 3, 4, 5]}, ntop=2)
    c1 = L.Convolution(data, kernel_size=[3, 5], num_output=2, pad=0, bias_term=False)
    c2 = L.Convolution(c1, kernel_h=3, kernel_w=1, num_output=2)
    r = L.ReLU(c2, in_place=True)
    s = L.Slice(r, ntop=2, axis=1)
    e = L.Eltwise(*s, operation=P.Eltwise.SUM, coeff=[1, -1])
    return to_proto(L.SoftmaxWithLoss(e, label))


def misc() -> caffe_pb2.NetParameter:
    n = NetSpec()
    n.x = L.Input(input_param={"shape": {"dim": [1, 2]}})
    n.y = L.Input(shape=[{"dim": [1, 2]}], include={"phase": caffe_pb2.TEST, "stage": ["a", "b"]})
    n.z = L.Python(n.x, n.y, module="m", layer="K", param_str="{'a': 1}", name="py")
    n.silence = L.Silence(n.z, ntop=0)
    n.d = L.Dropout(n.z, dropout_ratio=0.3, in_place=True)
    n.p = L.Parameter(shape={"dim": [3]})
    n.sc = L.Scale(n.d, scale_param={"axis": 0, "bias_term": True})
    n.lrn = L.LRN(n.sc, local_size=3, norm_region=P.LRN.WITHIN_CHANNEL)
    n.lrn2 = L.LRN(n.sc, phase=caffe_pb2.TRAIN)
    n.data = L.Data(
        batch_size=3,
        backend=P.Data.LMDB,
        source="x",
        transform_param={"mean_value": [1, 2, 3], "mirror": True},
    )
    return n.to_proto()


def dup() -> caffe_pb2.NetParameter:
    """A top with two names, and in-place layers one over the other."""
    n = NetSpec()
    n.a = L.Input()
    n.b = L.ReLU(n.a)
    n.c = n.b
    n.a2 = L.ReLU(n.c, in_place=True)
    n.a3 = L.ReLU(n.a2, in_place=True)
    return n.to_proto()


def sameparam() -> caffe_pb2.NetParameter:
    """Layers named by themselves, tops by their type."""
    return to_proto(L.Convolution(L.Input(name="i"), name="c", num_output=1, kernel_size=1))


@pytest.mark.parametrize("make", [lenet, anon, misc, dup, sameparam])
def test_nets_equal_pycaffes(make: Callable[[], caffe_pb2.NetParameter]) -> None:
    recorded = (RECORDINGS / f"spec_{make.__name__}.prototxt").read_text()
    assert make() == text_format.Parse(recorded, caffe_pb2.NetParameter())


def test_assign_proto_fills_messages_as_pycaffe_does() -> None:
    layer = caffe_pb2.LayerParameter()
    for name, value in {
        "name": "x",
        "bottom": ["a", "b"],
        "top": "c",
        "loss_weight": 2,
        "param": {"lr_mult": 1},
        "convolution_param": {"kernel_size": 3, "weight_filler": {"type": "gaussian", "std": 0.1}},
        "blobs": [{"shape": {"dim": [1, 2]}, "data": [1, 2]}],
    }.items():
        assign_proto(layer, name, value)
    recorded = (RECORDINGS / "spec_nest.prototxt").read_text()
    assert layer == text_format.Parse(recorded, caffe_pb2.LayerParameter())


def test_enums_may_be_given_by_name() -> None:
    top = L.LRN(L.Input(), norm_region="WITHIN_CHANNEL")
    assert top.to_proto().layer[1].lrn_param.norm_region == P.LRN.WITHIN_CHANNEL
    with pytest.raises(ValueError, match="ACROSS_CHANNELS, WITHIN_CHANNEL. Received: 'NOWHERE'"):
        L.LRN(L.Input(), norm_region="NOWHERE").to_proto()


def test_a_message_may_be_given_as_a_message() -> None:
    shape = caffe_pb2.BlobShape(dim=[1, 2])
    assert list(L.Input(shape=[shape]).to_proto().layer[0].input_param.shape[0].dim) == [1, 2]


def test_a_net_deeper_than_pythons_stack() -> None:
    top = L.Input(shape={"dim": [1]})
    for _ in range(3000):
        top = L.ReLU(top)
    net = to_proto(top)
    assert len(net.layer) == 3001
    assert list(net.layer[3000].bottom) == ["ReLU2999"]


def test_ntop_says_what_a_layer_answers() -> None:
    assert isinstance(L.Data(), Top)
    assert len(L.Data(ntop=2)) == 2
    assert to_proto(L.Silence(L.Input(), ntop=0)).layer[1].name == "Silence1"


def test_an_input_that_is_no_top_is_named() -> None:
    with pytest.raises(TypeError, match=r"^ReLU input 0 is not a Top \(type is <class 'list'>\)$"):
        L.ReLU([L.Input()])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: L.Convolution(L.Input(), num_outputs=3).to_proto(),
            AttributeError,
            "ConvolutionParameter has no field 'num_outputs'. Did you mean 'num_output'?",
        ),
        (
            lambda: L.Nonsense(L.Input(), nope=3).to_proto(),
            AttributeError,
            "no field 'nope', nor a message for 'Nonsense'",
        ),
        (lambda: P.Nope.MAX, AttributeError, "no message NopeParameter"),
        (lambda: NetSpec().foo, KeyError, "foo"),
        (lambda: spec_of(x=3).to_proto(), AttributeError, "'x' must be a Top. Received: 3"),
        (lambda: spec_of(x=L.Data(ntop=2)).to_proto(), TypeError, "as many names"),
        (lambda: spec_of(x=[L.Data()]).to_proto(), AttributeError, "'x' must be a Top"),
        (lambda: to_proto(L.Data(), 3), AttributeError, "argument 1 must be a Top"),
        (lambda: L.Convolution(L.Input(), num_output="x").to_proto(), TypeError, "str"),
        (lambda: L.Input(shape=3).to_proto(), TypeError, "BlobShape is set from a dict"),
        (lambda: L.Input(in_place=True).to_proto(), TypeError, "Input cannot work in place"),
    ],
)
def test_mistakes_are_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


def spec_of(**values: Any) -> NetSpec:
    n = NetSpec()
    for name, value in values.items():
        n[name] = value
    return n


def test_a_name_may_be_set_to_anything_as_long_as_it_is_overwritten_in_time() -> None:
    n = NetSpec()
    n["data"] = L.DummyData(ntop=2, shape=[{"dim": [1, 1]}, {"dim": [1]}])
    assert len(n["data"]) == 2
    n.data, n.label = n["data"]
    assert [list(layer.top) for layer in n.to_proto().layer] == [["data", "label"]]


def test_names_of_a_spec_can_be_taken_back() -> None:
    n = NetSpec()
    n.a = L.Input()
    n.b = L.ReLU(n.a)
    del n.b
    assert [layer.name for layer in n.to_proto().layer] == ["a"]
    del n["a"]
    assert len(n.to_proto().layer) == 0


def test_a_spec_can_be_copied() -> None:
    n = NetSpec()
    n.a = L.Input()
    assert copy.copy(n).to_proto() == n.to_proto()


def test_param_names_follow_the_fields_of_a_layer() -> None:
    names = param_name_dict()
    assert names["InnerProduct"] == "inner_product"
    assert names["HDF5Data"] == "hdf5_data"
    assert names["Transformation"] == "transform"
