"""Backward uses what the blobs hold then: written by hand, run in parts, or never run forward.

The numbers were recorded from BVLC Caffe 1.0 (Debian 11's python3-caffe, CPU) by
`edited_cases.py`; where two layers follow each other, the second must do what it does alone.
"""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from digits import caffe
from digits.caffe.errors import NetError
from digits.caffe.net import Net
from tests.caffe.edited_cases import CASES, LEARNT, PICTURE, WAYS, names, prototxt, results
from tests.caffe.networks import build

RECORDING = Path(__file__).parent / "pycaffe" / "edited.npz"
# Before the first forward pass Caffe reads memory that nothing has set, or divides by zero in its
# own order; a Parameter's gradient gets lost there.
UNDEFINED = {("lrn", "never"), ("cross_entropy", "never"), ("rnn", "never"), ("parameter", "never")}


@cache
def recorded() -> dict[str, np.ndarray]:
    with np.load(RECORDING) as file:
        return dict(file)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_caffes_whatever_was_written_between_the_passes(case: str) -> None:
    for way in WAYS:
        if (case, way) in UNDEFINED:
            continue
        found = results(caffe, case, way)
        expected = {
            key.split("/")[2]: values
            for key, values in recorded().items()
            if key.startswith(f"{case}/{way}/")
        }
        assert set(expected) == set(found), way
        for name, values in expected.items():
            # Float32 sums of up to 50 values.
            np.testing.assert_allclose(
                found[name], values, rtol=1e-3, atol=1e-4, err_msg=f"{way}: {name}"
            )


# Layers that leave their top in memory of every kind: channels_last, views, copies, in place.
MAKERS = {
    "conv": "type:'Convolution' convolution_param{num_output:3 kernel_size:3 pad:1}",
    "max": "type:'Pooling' pooling_param{kernel_size:3 stride:1 pad:1}",
    "ave": "type:'Pooling' pooling_param{pool:AVE kernel_size:3 stride:1 pad:1}",
    "relu": "type:'ReLU'",
    "sigmoid": "type:'Sigmoid'",
    "lrn": "type:'LRN' lrn_param{local_size:3}",
    "bn": "type:'BatchNorm'",
    "scale": "type:'Scale' scale_param{bias_term:true}",
    "dropout": "type:'Dropout'",
    "ip": "type:'InnerProduct' inner_product_param{num_output:4 axis:3}",
    "reshape": "type:'Reshape' reshape_param{shape{dim:0 dim:0 dim:4 dim:-1}}",
    "concat": "type:'Concat'",
    "eltwise": "type:'Power' power_param{power:2}",
}
USERS = [case for case, (shapes, _) in CASES.items() if shapes == PICTURE and case not in LEARNT]


def gradients(net: Net, case: str) -> list[np.ndarray]:
    """Those of the layer `l` after its bottom `b0` was edited by hand."""
    generator = np.random.default_rng(3)
    for blob in net.params.get("l", []):
        blob.data[...] = generator.standard_normal(blob.shape)
    net.blobs["b0"].data[...] = generator.standard_normal(net.blobs["b0"].shape)
    net.forward(start="l")
    net.blobs["b0"].data[...] = generator.standard_normal(net.blobs["b0"].shape)
    _, tops = names(case)
    for top in tops:
        if top != "mask":
            net.blobs[top].diff[...] = generator.standard_normal(net.blobs[top].shape)
    net.backward(start="l", end="l")
    return [net.blobs["b0"].diff.copy(), *[b.diff.copy() for b in net.params.get("l", [])]]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_layer_that_follows_another_does_what_it_does_alone(tmp_path: Path, maker: str) -> None:
    for case in USERS:
        alone = build(tmp_path, prototxt(case), seed=4)
        inputs = "layer{name:'in' type:'Input' top:'x' input_param{shape{dim:2 dim:3 dim:4 dim:4}}}"
        made = f"layer{{name:'m' {MAKERS[maker]} bottom:'x' top:'b0'}}"
        last = prototxt(case).splitlines()[-1]
        pair = build(tmp_path, f"force_backward: true {inputs} {made} {last}", seed=4)
        pair.forward()
        for ours, theirs in zip(gradients(pair, case), gradients(alone, case), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=case)


@pytest.mark.parametrize(
    ("first", "second"), list(itertools.permutations(["pool", "pool_split_0", "flat", "shaped"], 2))
)
def test_what_lies_in_one_memory_in_caffe_is_written_together(
    tmp_path: Path, first: str, second: str
) -> None:
    net = build(
        tmp_path,
        """force_backward: true
        layer{name:'in' type:'Input' top:'x' input_param{shape{dim:2 dim:8 dim:4 dim:4}}}
        layer{name:'pool' type:'Pooling' bottom:'x' top:'pool'
          pooling_param{kernel_size:2 stride:2}}
        layer{name:'flat' type:'Flatten' bottom:'pool' top:'flat'}
        layer{name:'shaped' type:'Reshape' bottom:'pool' top:'shaped'
          reshape_param{shape{dim:-1 dim:2}}}
        layer{name:'i' type:'InnerProduct' bottom:'flat' top:'i' inner_product_param{num_output:2}}
        layer{name:'j' type:'Power' bottom:'shaped' top:'j' power_param{power:2}}""",
    )
    renamed = {"pool_split_0": "pool_pool_0_split_0"}
    first, second = renamed.get(first, first), renamed.get(second, second)
    net.forward()
    net.blobs[first].data.flat[5] = 7
    assert net.blobs[second].data.flat[5] == 7
    net.blobs[second].data[...] = 0.5
    net.blobs["i"].diff[...] = 1
    net.blobs["j"].diff[...] = 1
    net.backward()
    assert np.allclose(net.params["i"][0].diff, 1.0)  # two items of 0.5
    assert np.allclose(net.blobs["shaped"].diff, 1.0)  # 2 * 0.5
    net.forward()
    assert np.allclose(net.blobs["flat"].data.ravel(), net.blobs["pool"].data.ravel())


def test_looking_at_a_blob_changes_no_gradient(tmp_path: Path) -> None:
    """In place, Caffe's BNLL reads what was overwritten; ours is right, however one looks."""
    text = """force_backward: true
        layer{name:'in' type:'Input' top:'x' input_param{shape{dim:2 dim:3}}}
        layer{name:'i' type:'InnerProduct' bottom:'x' top:'i' inner_product_param{num_output:3
          weight_filler{type:'xavier'}}}
        layer{name:'b' type:'BNLL' bottom:'i' top:'i'}"""
    net = build(tmp_path, text)
    net.forward()
    net.blobs["i"].diff[...] = 1
    unseen = net.backward()["x"].copy()
    held = net.blobs["i"].data
    for _ in range(2):
        net.forward()
        assert held.sum() == net.blobs["i"].data.sum()
        net.blobs["i"].diff[...] = 1
        assert np.array_equal(net.backward()["x"], unseen)


def test_a_held_array_may_be_written_between_the_passes(tmp_path: Path) -> None:
    text = """force_backward: true
        layer{name:'in' type:'Input' top:'x' input_param{shape{dim:2 dim:3}}}
        layer{name:'t' type:'TanH' bottom:'x' top:'t'}
        layer{name:'i' type:'InnerProduct' bottom:'t' top:'i' inner_product_param{num_output:1}}"""
    net = build(tmp_path, text)
    held = net.blobs["t"].data
    for value in (0.5, 0.25):
        net.forward()
        held[...] = value
        net.clear_param_diffs()
        net.blobs["i"].diff[...] = 1
        net.params["i"][0].data[...] = 2
        net.backward()
        assert np.allclose(net.params["i"][0].diff, 2 * value)
        assert np.allclose(net.blobs["x"].diff, 2 * (1 - value**2))


def test_backward_goes_by_the_weights_that_there_are_by_then(tmp_path: Path) -> None:
    """What used to happen: after a solver's step, or other weights, PyTorch refused to go on."""
    text = """force_backward: true
        layer{name:'in' type:'DummyData' top:'x' dummy_data_param{shape{dim:2 dim:3}
          data_filler{type:'gaussian'}}}
        layer{name:'i' type:'InnerProduct' bottom:'x' top:'i' inner_product_param{num_output:4
          weight_filler{type:'gaussian'}}}
        layer{name:'p' type:'PReLU' bottom:'i' top:'p'}
        layer{name:'l' type:'InnerProduct' bottom:'p' top:'l' inner_product_param{num_output:1
          weight_filler{type:'gaussian'}} loss_weight:1}"""
    (tmp_path / "solver.prototxt").write_text(
        f"base_lr: 0.1 lr_policy: 'fixed' momentum: 0.9 snapshot_prefix: '{tmp_path}/s' "
        f"max_iter: 9 net_param {{ {text} }}"
    )
    solver = caffe.get_solver(str(tmp_path / "solver.prototxt"))
    other, net = build(tmp_path, text), solver.net
    other.save(tmp_path / "other.caffemodel")

    def restore() -> None:
        solver.snapshot()
        solver.step(1)
        solver.restore(f"{tmp_path}/s_iter_{solver.iter - 1}.solverstate")

    for change in (
        lambda: solver.step(2),
        lambda: net.copy_from(tmp_path / "other.caffemodel"),
        restore,
        lambda: net.share_with(other),
    ):
        net.forward()
        change()
        net.blobs["l"].diff[...] = 1
        net.backward()
        expected = np.ones((2, 1)) @ net.params["l"][0].data
        np.testing.assert_allclose(net.blobs["p"].diff, expected, rtol=1e-5)


def test_a_layer_that_ran_again_is_what_backward_goes_by(tmp_path: Path) -> None:
    text = """force_backward: true
        layer{name:'in' type:'Input' top:'x' input_param{shape{dim:1 dim:2}}}
        layer{name:'p' type:'Power' bottom:'x' top:'p' power_param{scale:3}}
        layer{name:'q' type:'Power' bottom:'p' top:'q' power_param{power:2}}"""
    net = build(tmp_path, text)
    net.forward()
    net.blobs["x"].data[...] = 1
    net.forward(start="p", end="p")  # q has not seen this
    net.blobs["q"].diff[...] = 1
    assert np.allclose(net.backward()["x"], 2 * 3 * 3)


def test_dropout_keeps_to_the_values_that_it_dropped(tmp_path: Path) -> None:
    text = """force_backward: true
        layer{name:'in' type:'Input' top:'x' input_param{shape{dim:4 dim:50}}}
        layer{name:'d' type:'Dropout' bottom:'x' top:'d'}"""
    net = build(tmp_path, text)
    net.blobs["d"].diff[...] = 1
    assert not net.backward()["x"].any()  # nothing was kept yet
    net.blobs["x"].data[...] = 1
    kept = net.forward()["d"].copy()
    assert 0 < np.count_nonzero(kept) < kept.size
    net.blobs["x"].data[...] = 5
    net.blobs["d"].data[...] = 5
    net.blobs["d"].diff[...] = 1
    assert np.array_equal(net.backward()["x"], kept)


def test_backward_first_takes_values_and_shapes_as_they_are(tmp_path: Path) -> None:
    text = """force_backward: true
        layer{name:'in' type:'Input' top:'x' input_param{shape{dim:2 dim:3}}}
        layer{name:'i' type:'InnerProduct' bottom:'x' top:'i' inner_product_param{num_output:4
          weight_filler{type:'constant' value:0.1}}}"""
    net = build(tmp_path, text)
    net.blobs["x"].reshape(5, 3)
    net.reshape()
    net.blobs["x"].data[...] = 2
    net.blobs["i"].diff[...] = 1
    net.backward()
    assert np.allclose(net.blobs["x"].diff, 0.4)
    assert np.allclose(net.params["i"][0].diff, 10)


def test_a_lean_net_runs_backward_after_forward_only(tmp_path: Path) -> None:
    text = """layer{name:'in' type:'Input' top:'x' input_param{shape{dim:2 dim:3}}}
        layer{name:'i' type:'InnerProduct' bottom:'x' top:'i' inner_product_param{num_output:4}}
        layer{name:'l' type:'Reduction' bottom:'i' top:'l' loss_weight:1}"""
    with pytest.raises(NetError, match="needs a forward pass before it"):
        build(tmp_path, text, keep_blobs=False).backward_pass()
