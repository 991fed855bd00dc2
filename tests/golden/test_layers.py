"""Every layer type against BVLC Caffe 1.0: one small net a recording, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike

from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.net import Net
from tests.golden.cases import Case, cases
from tests.golden.compare import LAYERS, Tolerance, assert_all_close, assert_close

Arrays = dict[str, np.ndarray]

CASES = {case.name: case for case in cases("layers")}
# One grey level for OpenCV's resizing, up to three between JPEG decoders.
PICTURES = {"imagedata_resize": Tolerance(0, 1.0), "imagedata_jpeg": Tolerance(0, 3.0)}
# Real Caffe computes a wrong gradient here; ours is the right one.
RIGHT_GRADIENTS = {"power_inplace_linear", "mvn_eps_large"}
WRITES = "hdf5output_basic"


@pytest.mark.parametrize("name", CASES)
def test_layer_equals_caffe(
    name: str, enter: Callable[[Case], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    enter(case)
    if name == WRITES:
        (tmp_path / "files").mkdir()
        monkeypatch.chdir(tmp_path)
    compare_layer(case, torch.device("cpu"))


def compare_layer(case: Case, device: torch.device) -> None:
    """Run a recording's passes on a device, in the current folder, and compare all arrays."""
    name = case.name
    net = _build(case, device=device)
    for recorded in _steps(case):
        _forward(net, recorded)
        _compare(net, recorded, {"out": "data", "paramout": "data"}, PICTURES.get(name, LAYERS))
        if "total_loss" in recorded:
            assert_close(_total_loss(net), recorded["total_loss"], LAYERS, "total_loss")
        if case.facts["backward"]:
            _backward(net, recorded)
            if name not in RIGHT_GRADIENTS:
                _compare(net, recorded, {"indiff": "diff", "paramdiff": "diff"}, LAYERS)
    net.close()
    if name == WRITES:
        _same_file(Path("files/h5_output.h5"), case.folder / "files/h5_output.h5")


@pytest.mark.parametrize("name", sorted(RIGHT_GRADIENTS))
def test_gradient_is_right_where_caffes_is_not(name: str) -> None:
    case = CASES[name]
    net = _build(case, torch.float64)
    (recorded,) = _steps(case)
    direction = np.random.default_rng(0).standard_normal(recorded["in.data"].shape)
    outputs = []
    for step in (1e-6, -1e-6):
        _forward(net, {"in.data": recorded["in.data"] + step * direction})
        outputs.append(net.blobs[net.outputs[0]].data.copy())
    (top_gradient,) = (v for k, v in recorded.items() if k.startswith("topdiff."))
    expected = ((outputs[0] - outputs[1]) / 2e-6 * top_gradient).sum()
    _forward(net, recorded)
    _backward(net, recorded)
    gradient = net.blobs["data"].diff
    assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-6)


def test_no_recording_is_left_out() -> None:
    assert len(CASES) == 237


def _build(
    case: Case, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> Net:
    """The case's net with its recorded parameters, and its arrays where a MemoryData wants them."""
    context = LayerContext(allow_python=True, dtype=dtype, device=device or torch.device("cpu"))
    net = Net(case.file("prototxt"), Phase[case.facts["phase"]], context=context)
    arrays = case.arrays()
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            if not case.facts.get("params_from_filler"):
                blob.data[...] = arrays[f"param.{name}.{index}"]
    if "mem.data" in arrays:
        net.set_input_arrays(arrays["mem.data"], arrays["mem.label"])
    return net


def _steps(case: Case) -> Iterator[Arrays]:
    """The arrays of each pass, their keys without `stepN.`."""
    arrays = case.arrays()
    for step in range(1, case.facts["steps"] + 1):
        mark = f"step{step}."
        if step == 1:
            yield {key: value for key, value in arrays.items() if not key.startswith("step")}
        else:
            yield {k.removeprefix(mark): v for k, v in arrays.items() if k.startswith(mark)}


def _forward(net: Net, recorded: Arrays) -> None:
    for key, values in recorded.items():
        kind, _, blob = key.partition(".")
        if kind == "in":
            net.blobs[blob].reshape(*values.shape)
            net.blobs[blob].data[...] = values
    net.forward()


def _backward(net: Net, recorded: Arrays) -> None:
    for key, values in recorded.items():
        kind, _, blob = key.partition(".")
        if kind == "topdiff":
            net.blobs[blob].diff[...] = values
    net.clear_param_diffs()
    net.backward()


def _total_loss(net: Net) -> float:
    weights = net.blob_loss_weights
    return sum(
        float(net.blobs[name].data.sum()) * weight for name, weight in weights.items() if weight
    )


def _compare(net: Net, recorded: Arrays, kinds: dict[str, str], tolerance: Tolerance) -> None:
    """Compare the blobs' and parameters' arrays (data or diff) that stand under these keys."""
    pairs: dict[str, tuple[ArrayLike, ArrayLike]] = {}
    for key, values in recorded.items():
        kind, _, name = key.partition(".")
        if kind in kinds:
            layer, _, index = name.rpartition(".")
            of_parameter = kind.startswith("param")
            blob = net.params[layer][int(index)] if of_parameter else net.blobs[name]
            pairs[key] = getattr(blob, kinds[kind]), values
    assert_all_close(pairs, tolerance)


def _same_file(written: Path, recorded: Path) -> None:
    with h5py.File(written) as ours, h5py.File(recorded) as theirs:
        assert set(ours) == set(theirs)
        for key in theirs:
            np.testing.assert_array_equal(ours[key][...], theirs[key][...])
