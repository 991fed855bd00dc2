"""Every recorded layer and net as ONNX: onnxruntime gives what the engine gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from digits.caffe.errors import CaffeError
from digits.caffe.export.net import model_of, open_net
from digits.caffe.export.registry import MEASURES, written_types
from digits.caffe.net import Net
from tests.caffe.export.running import assert_equal
from tests.golden.cases import Case, cases, recorded_file

Enter = Callable[[Case], None]

LAYERS = {case.name: case for case in cases("layers")}
# Of the losses, the only one that has a layer besides.
MORE_THAN_A_LOSS = "infogain_bottom_full"
WRITTEN = [
    name
    for name, case in LAYERS.items()
    if case.facts["layer_type"] in {*written_types(), "Input"} or name == MORE_THAN_A_LOSS
]
NETS = {
    case.name: case
    for case in cases("nets")
    if case.facts["group"] in ("standard", "structural", "old_formats")
}


@pytest.mark.parametrize("name", WRITTEN)
def test_layer_as_onnx_gives_what_the_engine_gives(name: str, enter: Enter) -> None:
    case = LAYERS[name]
    enter(case)
    net = open_net(case.file("prototxt"), None)
    _take_params(net, case)
    _compare(net, case)


@pytest.mark.parametrize("name", NETS)
def test_net_as_onnx_gives_what_the_engine_gives(name: str, enter: Enter) -> None:
    case = NETS[name]
    enter(case)
    weights = recorded_file(f"nets/{case.facts['caffemodel']}")
    _compare(open_net(case.file("prototxt"), weights), case)


@pytest.mark.parametrize("name", sorted({*LAYERS} - {*WRITTEN}))
def test_what_has_no_meaning_is_refused(name: str, enter: Enter) -> None:
    case = LAYERS[name]
    enter(case)
    reason = "cannot become ONNX"
    if case.facts["layer_type"] in MEASURES:
        reason = "Nothing is left of the net"
    with pytest.raises(CaffeError, match=reason):
        model_of(open_net(case.file("prototxt"), None))


def test_no_recording_is_left_out() -> None:
    assert len(WRITTEN) == 188
    assert len(NETS) == 18


def _compare(net: Net, case: Case) -> None:
    """As recorded, and where the batch size is free, with three times as many items."""
    arrays = case.arrays()
    # One case has its inputs as they are at first.
    given = {name: arrays.get(f"in.{name}", net.blobs[name].data) for name in net.inputs}
    feeds = {name: values.astype(np.float32) for name, values in given.items()}
    model = model_of(net)
    assert_equal(net, model, feeds)
    sizes = [port.type.tensor_type.shape.dim for port in model.graph.input]
    if feeds and all(dims and dims[0].dim_param for dims in sizes):
        assert_equal(
            net, model, {name: np.tile(a, (3, *[1] * (a.ndim - 1))) for name, a in feeds.items()}
        )
    net.close()


def _take_params(net: Net, case: Case) -> None:
    arrays = case.arrays()
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            if not case.facts.get("params_from_filler"):
                blob.data[...] = arrays[f"param.{name}.{index}"]
