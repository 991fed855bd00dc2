"""Net through pycaffe's interface: passes whole and in part, gradients, shapes, sharing."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from digits.caffe.errors import LayerError, NetError
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.net import Net
from digits.caffe.proto import caffe_pb2
from tests.caffe.networks import DATA, TWO_LAYERS, build, fill_inputs


def _replaced(old: str, new: str) -> str:
    assert old in TWO_LAYERS
    return TWO_LAYERS.replace(old, new)


def test_parts_have_caffes_names_and_order(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    assert net.name == "two"
    assert list(net.blobs) == ["data", "label", "ip1", "ip2", "loss"]
    assert list(net.params) == ["ip1", "ip2"]
    assert [layer.type for layer in net.layers][2:4] == ["InnerProduct", "ReLU"]
    assert [blob.shape for blob in net.layer_dict["ip1"].blobs] == [(5, 4), (5,)]
    assert (net.inputs, net.outputs) == (["data", "label"], ["loss"])
    assert net.top_names["relu1"] == net.bottom_names["relu1"] == ["ip1"]
    assert net.bottom_names["loss"] == ["ip2", "label"]
    assert list(net.blob_loss_weights.values()) == [0, 0, 0, 0, 1]
    assert net.phase is Phase.TRAIN


@pytest.mark.parametrize("form", ["old", "keyword", "message"])
def test_net_is_made_in_pycaffes_ways(tmp_path: Path, form: str) -> None:
    first = build(tmp_path, TWO_LAYERS)
    path, weights = tmp_path / "net.prototxt", tmp_path / "w.caffemodel"
    first.save(weights)
    if form == "old":
        net = Net(str(path), str(weights), 1)
    elif form == "keyword":
        net = Net(network_file=str(path), phase=1, level=0, stages=["a"], weights=str(weights))
    else:
        net = Net(first._parts.param, Phase.TEST, weights=weights)
    assert net.phase is Phase.TEST
    assert np.array_equal(net.params["ip2"][0].data, first.params["ip2"][0].data)


def test_net_without_a_phase_is_refused(tmp_path: Path) -> None:
    build(tmp_path, TWO_LAYERS)
    with pytest.raises(NetError, match=r"phase is caffe\.TRAIN or caffe\.TEST, received None"):
        Net(tmp_path / "net.prototxt")


def test_stages_and_level_choose_layers(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        DATA + 'layer { name: "a" type: "ReLU" bottom: "data" top: "a" include { stage: "s" } }'
        'layer { name: "b" type: "ReLU" bottom: "data" top: "b" include { min_level: 2 } }'
    )
    assert list(Net(path, 1, stages=["s"]).layer_dict)[-1] == "a"
    assert list(Net(path, 1, level=2).layer_dict)[-1] == "b"


def test_forward_takes_inputs_and_answers_outputs(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    out = net.forward(blobs=["ip2"], data=np.ones((3, 4)), label=np.zeros(3))
    assert set(out) == {"loss", "ip2"}
    scores = net.blobs["ip2"].data
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    expected = -np.log(shifted[:, 0] / shifted.sum(1)).mean()
    assert float(out["loss"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"data": np.ones((3, 4))}, "received data; the net has data, label"),
        ({"data": np.ones((2, 4)), "label": np.ones(3)}, "'data' received (2, 4), its blob has"),
    ],
)
def test_inputs_that_do_not_fit_are_named(
    tmp_path: Path, inputs: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(NetError) as refusal:
        build(tmp_path, TWO_LAYERS).forward(**inputs)
    assert message in str(refusal.value)


def test_unknown_layer_name_is_answered_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="no layer 'ip3'; it has data_in, label_in, ip1"):
        build(tmp_path, TWO_LAYERS).forward(start="ip3")


def test_part_of_a_net_runs_from_changed_blobs(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.forward()
    net.blobs["ip1"].data[...] = 0
    out = net.forward(start="ip2", end="ip2")
    assert list(out) == ["ip2"]
    assert np.allclose(out["ip2"], net.params["ip2"][1].data)


def test_split_tops_follow_a_pass_that_leaves_the_split_out(tmp_path: Path) -> None:
    net = build(
        tmp_path,
        _replaced(
            'name: "loss"',
            'name: "again" type: "ReLU" bottom: "ip2" top: "x" }\nlayer { name: "loss"',
        ),  # fmt: skip
    )
    net.forward()
    net.blobs["ip1"].data[...] = 1
    net.forward(start="ip2", end="ip2")
    assert np.array_equal(net.blobs["ip2_ip2_0_split_1"].data, net.blobs["ip2"].data)


def test_gradients_add_up_until_they_are_cleared(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.forward()
    net.backward()
    once = net.params["ip1"][0].diff.copy()
    net.backward()
    assert np.allclose(net.params["ip1"][0].diff, 2 * once)
    net.clear_param_diffs()
    assert not net.params["ip1"][0].diff.any()


def test_backward_takes_gradients_of_outputs(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.forward()
    net.backward()
    once = net.params["ip1"][0].diff.copy()
    net.clear_param_diffs()
    diffs = net.backward(diffs=["ip2"], loss=np.float32(3).reshape(()))
    assert set(diffs) == {"data", "label", "ip2"}
    assert np.allclose(net.params["ip1"][0].diff, 3 * once)


def test_backward_of_a_part_starts_from_its_blobs_diff(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.forward()
    net.blobs["ip2"].diff[...] = 1
    out = net.backward(start="ip2", end="ip2")
    assert list(out) == ["ip1"]
    assert np.allclose(out["ip1"], np.tile(net.params["ip2"][0].data.sum(0), (3, 1)))
    assert not net.params["ip1"][0].diff.any()


def test_layers_of_one_name_keep_the_parameters_of_the_one_that_has_some(tmp_path: Path) -> None:
    net = build(
        tmp_path,
        DATA
        + """layer { name: "a" type: "InnerProduct" bottom: "data" top: "ip"
               inner_product_param { num_output: 2 } }
             layer { name: "a" type: "ReLU" bottom: "ip" top: "ip" }""",
    )
    assert [blob.shape for blob in net.params["a"]] == [(2, 4), (2,)]
    assert net.layer_dict["a"].type == "ReLU"


def test_a_layer_works_in_the_phase_that_it_names(tmp_path: Path) -> None:
    net = build(
        tmp_path, DATA + 'layer { name: "d" type: "Dropout" bottom: "data" top: "d" phase: TEST }'
    )
    assert np.array_equal(net.forward()["d"], net.blobs["data"].data)


def test_a_loss_with_two_tops_weighs_the_first_alone(tmp_path: Path) -> None:
    text = TWO_LAYERS.replace('top: "loss" }', 'top: "loss" top: "prob" }')
    two, one = (build(tmp_path, net) for net in (text, TWO_LAYERS))
    assert two.forward()["loss"] == one.forward()["loss"]
    assert np.allclose(two.blobs["prob"].data.sum(1), 1)
    assert (two.blob_loss_weights["loss"], two.blob_loss_weights["prob"]) == (1, 0)
    two.backward()
    one.backward()
    assert np.array_equal(two.params["ip1"][0].diff, one.params["ip1"][0].diff)
    with pytest.raises(NetError, match="once per top blob, received 1 for 2"):
        build(tmp_path, text.replace('top: "prob"', 'top: "prob" loss_weight: 1'))


def test_loss_weights_scale_the_gradient(tmp_path: Path) -> None:
    plain = build(tmp_path, TWO_LAYERS)
    weighted = build(tmp_path, _replaced('top: "loss"', 'top: "loss" loss_weight: 0.25'))
    for net in (plain, weighted):
        net.forward()
        net.backward()
    assert float(weighted.forward_pass()) == pytest.approx(0.25 * float(plain.forward_pass()))
    assert np.allclose(weighted.blobs["ip2"].diff, 0.25 * plain.blobs["ip2"].diff)


def test_frozen_and_cut_layers_compute_no_gradient(tmp_path: Path) -> None:
    frozen = _replaced(
        'name: "ip1" type: "InnerProduct"',
        'name: "ip1" type: "InnerProduct" param { lr_mult: 0 } param { lr_mult: 0 }',
    )
    for text in (frozen, _replaced('bottom: "ip1" top: "ip2"',
                                   'bottom: "ip1" top: "ip2" propagate_down: false')):  # fmt: skip
        net = build(tmp_path, text)
        net.forward()
        net.backward()
        assert net.params["ip2"][0].diff.any()
        assert not net.params["ip1"][0].diff.any()
        assert not net.blobs["ip1"].diff.any()


def test_force_backward_reaches_the_data(tmp_path: Path) -> None:
    net = build(tmp_path, "force_backward: true " + TWO_LAYERS)
    net.forward()
    assert net.backward()["data"].any()


def test_learnt_label_is_refused_when_its_gradient_is_asked_for(tmp_path: Path) -> None:
    net = build(tmp_path, _replaced('bottom: "label"', 'bottom: "learnt"').replace(
        'layer { name: "loss"',
        'layer { name: "learnt" type: "InnerProduct" bottom: "data" top: "learnt" '
        'inner_product_param { num_output: 1 } } layer { name: "loss"',
    ))  # fmt: skip
    net.forward()
    with pytest.raises(NetError, match="cannot backpropagate to bottom 1"):
        net.backward()


def test_shapes_follow_the_inputs(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.blobs["data"].reshape(7, 4)
    net.blobs["label"].reshape(7)
    assert net.blobs["ip2"].shape == (3, 3)
    net.reshape()
    assert net.blobs["ip2"].shape == (7, 3)
    fill_inputs(net)
    net.forward()
    net.backward()
    assert net.blobs["ip1"].diff.shape == (7, 5)


def test_input_that_a_layer_cannot_take_is_named(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.blobs["data"].reshape(3, 9)
    with pytest.raises(LayerError, match=r"layer 'ip1' \(InnerProduct\)"):
        net.forward()


def test_held_arrays_see_every_pass(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    loss, gradient = net.forward()["loss"], net.params["ip1"][0].diff
    before = float(loss)
    net.params["ip2"][1].data[0] = 5
    net.forward()
    net.backward()
    assert float(loss) != before
    assert gradient.any()


def test_shared_parameters_are_one(tmp_path: Path) -> None:
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" param {{ name: "w" '
        "{2} }} inner_product_param {{ num_output: {3} bias_term: false }} }}"
    )
    text = (
        DATA
        + layer.format("a", "data", "lr_mult: 2", 4)
        + layer.format("b", "a", "", 4)
        + 'layer { name: "loss" type: "Reduction" bottom: "b" top: "loss" loss_weight: 1 }'
    )
    net = build(tmp_path, text)
    net.params["b"][0].data[...] = np.eye(4)
    assert np.array_equal(net.params["a"][0].data, np.eye(4))
    assert (len(net.learnable_params), net.lr_mults) == (1, [2])
    net.forward()
    net.backward()
    # Both uses of an identity get the gradient of a sum of its inputs.
    column = net.blobs["data"].data.sum(0)
    assert np.allclose(net.params["a"][0].diff, 2 * np.tile(column, (4, 1)), atol=1e-5)


def test_permissive_sharing_reshapes_the_parameter(tmp_path: Path) -> None:
    text = DATA + (
        'layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" } '
        "inner_product_param { num_output: 2 bias_term: false } } "
        'layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" '
        "share_mode: PERMISSIVE } inner_product_param { num_output: 4 bias_term: false } } "
        'layer { name: "loss" type: "Reduction" bottom: "b" top: "loss" loss_weight: 1 }'
    )
    for keep_blobs in (True, False):
        net = build(tmp_path, text, keep_blobs=keep_blobs)
        weights = np.arange(8.0).reshape(4, 2)
        net.params["b"][0].data[...] = weights
        net.forward_pass()
        net.backward_pass()
        data = net.blobs["data"].data
        below = data @ weights.reshape(2, 4).T
        above = np.tile(below.sum(0), (4, 1))
        through = np.outer(weights.sum(0), data.sum(0))
        expected = above.reshape(2, 4) + through
        assert np.allclose(net.params["a"][0].diff, expected, rtol=1e-5)


def test_forward_all_cuts_batches_and_drops_the_filling(tmp_path: Path) -> None:
    text = TWO_LAYERS.split('layer { name: "loss"')[0].replace(
        'layer { name: "label_in" type: "Input" top: "label" input_param { shape { dim: 3 } } }', ""
    )
    net = build(tmp_path, "force_backward: true " + text, Phase.TEST)
    data = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    together = net.forward_all(blobs=["ip1"], data=data)
    assert {name: values.shape for name, values in together.items()} == {
        "ip2": (7, 3),
        "ip1": (7, 5),
    }
    alone = net.forward(data=np.tile(data[6], (3, 1)))["ip2"][0]
    assert np.allclose(together["ip2"][6], alone, atol=1e-6)
    outs, diffs = net.forward_backward_all(data=data, ip2=np.ones((7, 3)))
    assert np.allclose(outs["ip2"], together["ip2"])
    assert diffs["data"].shape == (7, 4)
    with pytest.raises(NetError, match="equally many samples"):
        net.forward_backward_all(data=data, ip2=np.ones((6, 3)))


def test_callbacks_get_the_index_of_each_layer(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    seen: list[tuple[str, int]] = []
    net.before_forward(lambda layer: seen.append(("<f", layer)))
    net.after_forward(lambda layer: seen.append((">f", layer)))
    net.before_backward(lambda layer: seen.append(("<b", layer)))
    net.after_backward(lambda layer: seen.append((">b", layer)))
    net.forward(start="ip2")
    net.forward()
    seen.clear()
    net.forward(start="ip2")
    net.backward(end="ip2")
    assert seen == [
        *[(mark, layer) for layer in (4, 5) for mark in ("<f", ">f")],
        *[(mark, layer) for layer in (5, 4) for mark in ("<b", ">b")],
    ]


def test_net_without_kept_blobs_trains_the_same(tmp_path: Path) -> None:
    kept, lean = (build(tmp_path, TWO_LAYERS, keep_blobs=keep) for keep in (True, False))
    for _ in range(2):
        for net in (kept, lean):
            loss = net.forward_pass()
            net.backward_pass()
            assert loss.shape == ()
    assert np.allclose(lean.blobs["loss"].data, kept.blobs["loss"].data)
    for ours, theirs in zip(lean.learnable_blobs, kept.learnable_blobs, strict=True):
        assert np.allclose(ours.diff, theirs.diff, atol=1e-6)
    with pytest.raises(NetError, match="needs a forward pass before it"):
        lean.backward_pass()
    lean.forward_pass()
    with pytest.raises(NetError, match="runs backward only as a whole"):
        lean.backward(start="ip2")


def test_lean_net_lets_go_of_inner_blobs_but_keeps_inputs(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS, Phase.TEST, keep_blobs=False)
    loss = float(net.forward_pass())
    with pytest.raises(NetError, match="build the net with keep_blobs=True"):
        _ = net.blobs["ip1"].data
    assert net.blobs["data"].data.any()
    assert float(net.forward_pass()) == loss


def test_in_place_layer_on_an_input_changes_it_as_in_caffe(tmp_path: Path) -> None:
    text = DATA + (
        'layer { name: "p" type: "Power" bottom: "data" top: "data" power_param { scale: 2 } }'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
        "inner_product_param { num_output: 3 } }"
        'layer { name: "l" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "l" }'
    )
    for keep_blobs in (True, False):
        net = build(tmp_path, text, keep_blobs=keep_blobs)
        before = net.blobs["data"].data.copy()
        for _ in range(2):
            net.forward_pass()
            net.backward_pass()
        assert np.allclose(net.blobs["data"].data, 4 * before)


def test_float64_nets_stay_float64(tmp_path: Path) -> None:
    build(tmp_path, TWO_LAYERS)
    context = LayerContext(dtype=torch.float64)
    net = Net(tmp_path / "net.prototxt", Phase.TRAIN, context=context)
    net.forward()
    net.backward()
    assert net.blobs["ip2"].data.dtype == net.params["ip1"][0].diff.dtype == np.float64


def test_debug_info_logs_every_blob_and_gradient(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net = build(tmp_path, TWO_LAYERS, keep_blobs=False)
    net.set_debug_info(True)
    caplog.set_level(logging.INFO)
    net.forward_pass()
    net.backward_pass()
    lines = [record.getMessage() for record in caplog.records]
    scores = np.abs(net.blobs["ip2"].data).mean()
    assert f"    [Forward] Layer ip2, top blob ip2 data: {scores:g}" in lines
    gradient = np.abs(net.params["ip1"][0].diff).mean()
    assert f"    [Backward] Layer ip1, param blob 0 diff: {gradient:g}" in lines
    assert lines[-1].startswith("    [Backward] All net params (data, diff): L1 norm = (")


def test_set_input_arrays_needs_a_memory_data_layer(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="only be called if the first layer is a MemoryDataLayer"):
        build(tmp_path, TWO_LAYERS).set_input_arrays(np.zeros((1, 1, 1, 1)), np.zeros(1))


def test_message_given_is_not_changed(tmp_path: Path) -> None:
    message = caffe_pb2.NetParameter(input=["data"], input_dim=[1, 2, 3, 4])
    before = message.SerializeToString()
    assert Net(message, Phase.TEST).blobs["data"].shape == (1, 2, 3, 4)
    assert message.SerializeToString() == before


def test_debug_info_of_a_lean_net_shows_layers_that_ran_as_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = DATA + (
        'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" }'
        'layer { name: "loss" type: "Reduction" bottom: "scale" top: "loss" loss_weight: 1 }'
    )
    lean, kept = (build(tmp_path, text, keep_blobs=keep) for keep in (False, True))
    assert lean.bottom_names == kept.bottom_names
    lean.set_debug_info(True)
    for net in (lean, kept):
        caplog.clear()
        caplog.set_level(logging.INFO)
        net.forward_pass()
        net.backward_pass()
        if net is lean:
            means = [m for m in caplog.messages if "[Forward] Layer bn, top blob bn data" in m]
            assert len(means) == 1
    assert np.allclose(lean.blobs["bn"].data, kept.blobs["bn"].data)
    assert np.allclose(lean.params["scale"][0].diff, kept.params["scale"][0].diff)
