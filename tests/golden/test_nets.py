"""Whole nets against BVLC Caffe 1.0: values, gradients, old formats, upgrades, rules, refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from digits.caffe.blob import ParamBlob
from digits.caffe.errors import CaffeError
from digits.caffe.formats import prototxt, upgrade
from digits.caffe.layers import fillers
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net
from digits.caffe.nets.rules import filter_net
from digits.caffe.proto import caffe_pb2
from tests.golden.cases import DATA, Case, cases, recorded_file
from tests.golden.compare import NETS, assert_all_close, assert_close

Pairs = dict[str, tuple[np.ndarray, np.ndarray]]
Enter = Callable[[Case], None]

CASES = {case.name: case for case in cases("nets")}


def _of(*groups: str) -> list[str]:
    return [name for name, case in CASES.items() if case.facts["group"] in groups]


RUN = _of("standard", "structural", "old_formats")
UPGRADES = _of("upgrade")
STRUCTURES = [name for name in _of("rules") if name.startswith("structure")]
REFUSED = json.loads((DATA / "nets" / "invalid.expected.json").read_text())
# SoftmaxWithLoss with two tops, for which Caffe asks for two loss weights: here it works.
REFUSED.pop("loss_weight_count")
FILLERS = json.loads((DATA / "nets" / "fillers.expected.json").read_text())
RULES = json.loads((DATA / "nets" / "rules.expected.json").read_text())

# What our message must say for each net that Caffe refuses: the same reason.
REASONS = {
    "absval_in_place": "AbsVal Layer does not allow in-place computation",
    "accuracy_top_k": "top_k is 5; expected 1 to 4, the number of classes",
    "bad_enum": 'bad_enum.prototxt:13:25: Enum type "caffe.PoolingParameter.PoolMethod" has no',
    "concat_shapes": "2 3 6 5 (180); expected 2 3 6 6 (216) like bottom 'data', but for axis 1",
    "conv_both_kernels": "has both kernel_size and kernel_h/kernel_w",
    "conv_group_mismatch": "group 2 does not divide the 3 channels",
    "crop_out_of_bounds": "expected at least 5 + 2 (size and offset) in axis 2",
    "data_no_batch": "Failed to open source file: no_such.txt",
    "duplicate_top": "Top blob 'o' produced by multiple sources",
    "eltwise_coeff_prod": "coeff is only for operation: SUM",
    "eltwise_shapes": "2 3 6 5 (180); expected 2 3 6 6 (216) like bottom 'data'",
    "include_and_exclude": "Specify either include rules or exclude rules; not both",
    "loss_batch_mismatch": "expected the same first axis as bottom 'data' (3)",
    "lrn_even_size": "local_size is 4; expected an odd number",
    "missing_mean_file": "mean file not found: no_such.binaryproto",
    "mixed_layer_layers": "the definition includes both 'layer' and 'layers' fields",
    "reshape_impossible": "other sizes of its new shape (5) divide",
    "shared_shape_mismatch": "Cannot share param 'w' owned by layer 'i' with layer 'j'; shape",
    "slice_uneven": "expected a size in axis 1 that 2 tops divide evenly",
    "syntax_error": 'syntax_error.prototxt:8:52: Expected "}"',
    "top_count": "ReLU Layer produces 1 top blob(s) as output",
    "unknown_field": '13:16: Message type "caffe.ReLUParameter" has no field named "no_such_field"',
}


@pytest.mark.parametrize("name", RUN)
def test_net_equals_caffe(name: str, enter: Enter) -> None:
    case = CASES[name]
    enter(case)
    compare_net(case, LayerContext())


def compare_net(case: Case, context: LayerContext) -> None:
    """Forward and backward of a net that keeps its blobs: all arrays."""
    net = _build(case, keep_blobs=True, context=context)
    arrays = case.arrays()
    assert net.outputs == case.facts["outputs"]
    _put_inputs(net, arrays)
    net.forward()
    assert_all_close(_values(net, arrays), NETS)
    if case.facts["backward"]:
        for key, values in _of_kind(arrays, "topdiff").items():
            net.blobs[key].diff[...] = values
        net.clear_param_diffs()
        net.backward()
        assert_all_close(_gradients(net, arrays), NETS)


@pytest.mark.parametrize("name", [n for n in RUN if CASES[n].facts["backward"]])
def test_training_pass_equals_caffe_without_keeping_blobs(name: str, enter: Enter) -> None:
    case = CASES[name]
    enter(case)
    for channels_last in (False, True):
        compare_training_pass(case, LayerContext(channels_last=channels_last))


def compare_training_pass(case: Case, context: LayerContext) -> None:
    """Loss, gradients and outputs of a net that does not keep its blobs."""
    net = _build(case, keep_blobs=False, context=context)
    arrays = case.arrays()
    _put_inputs(net, arrays)
    loss = net.forward_pass()
    assert_close(float(loss.detach()), arrays["total_loss"], NETS, "total_loss")
    net.backward_pass()
    wanted = _of_kind(arrays, "paramdiff")
    pairs = {key: (_param(net, key).diff, values) for key, values in wanted.items()}
    pairs |= {name: (net.blobs[name].data, arrays[f"out.{name}"]) for name in case.facts["outputs"]}
    assert pairs
    assert_all_close(pairs, NETS)


@pytest.mark.parametrize("name", UPGRADES)
def test_upgraded_text_equals_caffes(name: str) -> None:
    case = CASES[name]
    read = upgrade.read_net if case.facts["kind"] == "NetParameter" else upgrade.read_solver
    upgraded = read(case.file("prototxt"))
    assert prototxt.to_text(upgraded) == case.file("expected").read_text()


@pytest.mark.parametrize("expected", RULES, ids=str)
def test_rules_keep_caffes_layers(expected: dict[str, Any]) -> None:
    net = upgrade.read_net(DATA / "nets" / "rules.prototxt")
    net.state.phase = caffe_pb2.Phase.Value(expected["phase"])
    net.state.level = expected["level"]
    net.state.stage.extend(expected["stages"])
    kept = [layer.name for layer in filter_net(net).layer]
    assert kept == ["data_in", *expected["layers"]]


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_equals_caffes(name: str) -> None:
    case = CASES[name]
    expected = json.loads(case.file("expected").read_text())
    net = Net(case.file("prototxt"), Phase.TRAIN)
    assert [[n, net.layer_dict[n].type] for n in net._layer_names] == expected["layers"]
    assert dict(net.bottom_names) == expected["bottoms"]
    assert dict(net.top_names) == expected["tops"]
    assert [[n, list(blob.shape)] for n, blob in net.blobs.items()] == expected["blobs"]
    assert net.inputs == expected["inputs"]
    assert net.outputs == expected["outputs"]
    weights = {name: weight for name, weight in net.blob_loss_weights.items() if weight}
    assert weights == expected["loss_weights"]


def test_every_refused_net_has_its_reason() -> None:
    assert set(REASONS) == set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_net_that_caffe_refuses_is_refused_for_the_same_reason(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DATA / "nets")
    with pytest.raises(CaffeError) as refusal:
        Net(REFUSED[name]["prototxt"], Phase.TRAIN)
    assert REASONS[name] in str(refusal.value)


@pytest.mark.parametrize("expected", FILLERS, ids=lambda e: f"{e['filler']}-{e['layer_kind']}")
def test_filler_draws_from_caffes_distribution(expected: dict[str, Any]) -> None:
    filler = prototxt.parse_text(expected["filler"], caffe_pb2.FillerParameter())
    rule = expected["rule"]
    if rule["kind"] == "constant":
        # The default filler of a layer (Scale: 1) belongs to the layer.
        filler.value = rule["value"]
    tensor = torch.empty(tuple(expected["shape"]))
    fillers.fill(tensor, filler, Randomness(1))
    values = tensor.double().numpy()
    _CHECKS[rule["kind"]](values, rule)


def _has_moments(values: np.ndarray, mean: float, std: float) -> None:
    """Mean and deviation within five standard errors, for a kurtosis of 3 at most."""
    count = values.size
    assert values.mean() == pytest.approx(mean, abs=5 * std / math.sqrt(count))
    assert values.std() == pytest.approx(std, rel=5 / math.sqrt(2 * count))


def _is_constant(values: np.ndarray, rule: dict[str, float]) -> None:
    assert values == pytest.approx(np.full(values.shape, rule["value"]))


def _is_uniform(values: np.ndarray, rule: dict[str, float]) -> None:
    low, high = rule["min"], rule["max"]
    _has_moments(values, (low + high) / 2, (high - low) / math.sqrt(12))
    margin = (high - low) * 20 / values.size
    assert low - 1e-7 <= values.min() < low + margin
    assert high - margin < values.max() <= high + 1e-7


def _is_gaussian(values: np.ndarray, rule: dict[str, float]) -> None:
    _has_moments(values, rule["mean"], rule["std"])
    within = np.abs(values - rule["mean"]) < rule["std"]
    assert within.mean() == pytest.approx(0.6827, abs=5 * 0.47 / math.sqrt(values.size))


def _is_sparse(values: np.ndarray, rule: dict[str, float]) -> None:
    kept = values[values != 0]
    wanted = rule["p_nonzero"] * values.size
    assert kept.size == pytest.approx(wanted, abs=5 * math.sqrt(wanted))
    _has_moments(kept, 0, rule["std"])


def _is_unitball(values: np.ndarray, rule: dict[str, float]) -> None:
    rows = values.reshape(len(values), -1)
    assert values.min() > 0
    assert rows.sum(1) == pytest.approx(np.ones(len(rows)) * rule["row_sum"], rel=1e-5)
    mean = 1 / rows.shape[1]
    # Uniform values divided by their sum.
    assert values.std() == pytest.approx(mean / math.sqrt(3) if mean < 1 else 0, rel=0.05)


_CHECKS = {
    "constant": _is_constant,
    "uniform": _is_uniform,
    "gaussian": _is_gaussian,
    "gaussian_sparse": _is_sparse,
    "positive_unitball": _is_unitball,
}


def test_bilinear_filler_equals_caffes() -> None:
    for key, values in CASES["filler_bilinear"].arrays().items():
        tensor = torch.empty(values.shape)
        fillers.fill(tensor, caffe_pb2.FillerParameter(type="bilinear"), Randomness(1))
        assert_close(tensor, values, NETS, key)


def test_no_recording_is_left_out() -> None:
    rest = {"filler_bilinear", "fillers", "invalid", "rules"}
    assert {*RUN, *UPGRADES, *STRUCTURES, *rest} == set(CASES)
    assert (len(RUN), len(REFUSED), len(FILLERS), len(RULES)) == (18, 22, 42, 24)


def _build(case: Case, keep_blobs: bool, context: LayerContext) -> Net:
    return Net(
        case.file("prototxt"),
        Phase[case.facts["phase"]],
        weights=recorded_file(f"nets/{case.facts['caffemodel']}"),
        context=context,
        keep_blobs=keep_blobs,
    )


def _put_inputs(net: Net, arrays: dict[str, np.ndarray]) -> None:
    for key, values in _of_kind(arrays, "in").items():
        net.blobs[key].reshape(*values.shape)
        net.blobs[key].data[...] = values


def _of_kind(arrays: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    mark = f"{kind}."
    return {key.removeprefix(mark): a for key, a in arrays.items() if key.startswith(mark)}


def _param(net: Net, key: str) -> ParamBlob:
    layer, _, index = key.rpartition(".")
    return net.params[layer][int(index)]


def _values(net: Net, arrays: dict[str, np.ndarray]) -> Pairs:
    pairs: Pairs = {}
    for key, values in arrays.items():
        kind, _, name = key.partition(".")
        if kind == "out":
            pairs[key] = net.blobs[name].data, values
        elif kind == "head":
            pairs[key] = net.blobs[name].data.reshape(-1)[: values.size], values
        elif kind == "stat":
            data = net.blobs[name].data
            found = [data.mean(), np.abs(data).mean(), data.min(), data.max()]
            pairs[key] = np.array(found), values
        elif kind in ("paramout", "param") and not (
            kind == "param" and f"paramout.{name}" in arrays
        ):
            pairs[key] = _param(net, name).data, values
        elif kind == "total_loss":
            weighted = [w * net.blobs[b].data.sum() for b, w in net.blob_loss_weights.items()]
            pairs[key] = np.array(sum(weighted)), values
    return pairs


def _gradients(net: Net, arrays: dict[str, np.ndarray]) -> Pairs:
    pairs: Pairs = {}
    for kind in ("blobdiff", "indiff"):
        for name, values in _of_kind(arrays, kind).items():
            pairs[f"{kind}.{name}"] = net.blobs[name].diff, values
    for name, values in _of_kind(arrays, "paramdiff").items():
        pairs[f"paramdiff.{name}"] = _param(net, name).diff, values
    return pairs
