"""Weights: files of every form both ways, checks by name and shape, damage, memory."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.caffe.errors import WeightsError
from digits.caffe.formats import wire
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.caffe.proto import caffe_pb2
from tests.caffe.networks import TWO_LAYERS, build
from tests.selection import examples


def _equal(first: Net, second: Net) -> bool:
    pairs = zip(first.learnable_blobs, second.learnable_blobs, strict=True)
    return all(np.array_equal(a.data, b.data) for a, b in pairs)


@pytest.mark.parametrize("form", ["caffemodel", "h5"])
def test_what_is_saved_is_loaded(tmp_path: Path, form: str) -> None:
    saved, loaded = build(tmp_path, TWO_LAYERS, seed=1), build(tmp_path, TWO_LAYERS, seed=2)
    path = tmp_path / f"weights.{form}"
    (saved.save if form == "caffemodel" else saved.save_hdf5)(path)
    assert not _equal(saved, loaded)
    (loaded.copy_from if form == "caffemodel" else loaded.load_hdf5)(path)
    assert _equal(saved, loaded)
    # copy_from sees by itself what a file is.
    other = build(tmp_path, TWO_LAYERS, seed=3)
    other.copy_from(path)
    assert _equal(saved, other)


def test_saved_message_is_caffes(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.forward()
    net.backward()
    net.save(tmp_path / "w", diffs=True)
    message = caffe_pb2.NetParameter.FromString((tmp_path / "w").read_bytes())
    assert message.name == "two"
    assert [layer.name for layer in message.layer] == list(net.layer_dict)
    dense = message.layer[2]
    assert dense.phase == caffe_pb2.TRAIN
    assert [list(blob.shape.dim) for blob in dense.blobs] == [[5, 4], [5]]
    weights = net.params["ip1"][0]
    assert np.array_equal(np.array(dense.blobs[0].data).reshape(5, 4), weights.data)
    assert np.array_equal(np.array(dense.blobs[0].diff).reshape(5, 4), weights.diff)


def test_gradients_are_saved_and_loaded(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.forward()
    net.backward()
    net.save(tmp_path / "w", diffs=True)
    net.save_hdf5(tmp_path / "w.h5", diffs=True)
    other = build(tmp_path, TWO_LAYERS)
    other.copy_from(tmp_path / "w")
    assert np.array_equal(other.params["ip1"][0].diff, net.params["ip1"][0].diff)
    with h5py.File(tmp_path / "w.h5") as file:
        assert np.array_equal(file["diff/ip1/0"], net.params["ip1"][0].diff)
        assert set(file["data"]) == set(net.layer_dict)


def test_layers_that_the_net_lacks_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net = build(tmp_path, TWO_LAYERS)
    for path in (tmp_path / "w", tmp_path / "w.h5"):
        (net.save if path.suffix == "" else net.save_hdf5)(path)
        other = build(tmp_path, TWO_LAYERS.replace('"ip2" type', '"new" type'), seed=2)
        caplog.clear()
        caplog.set_level(logging.INFO)
        other.copy_from(path)
        assert "Ignoring source layer ip2" in [r.getMessage() for r in caplog.records]
        assert np.array_equal(other.params["ip1"][0].data, net.params["ip1"][0].data)
        assert not np.array_equal(other.params["new"][0].data, net.params["ip2"][0].data)


@pytest.mark.parametrize("form", ["binary", "hdf5", "net"])
def test_other_shape_is_refused_in_caffes_words(tmp_path: Path, form: str) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.save(tmp_path / "binary")
    net.save_hdf5(tmp_path / "hdf5")
    other = build(tmp_path, TWO_LAYERS.replace("num_output: 5", "num_output: 6"))
    with pytest.raises(WeightsError) as refusal:
        other.share_with(net) if form == "net" else other.copy_from(tmp_path / form)
    message = {
        "binary": "Cannot copy param 0 weights from layer 'ip1'; shape mismatch.  Source param "
        "shape is 5 4 (20); target param shape is 6 4 (24). To learn this layer's parameters from "
        "scratch rather than copying from a saved net, rename the layer.",
        "hdf5": "Cannot load blob from hdf5; shape mismatch. Source shape is 5 4 (20) target "
        "shape is 6 4 (24) (param 0 of layer 'ip1').",
        "net": "Cannot share param 0 weights from layer 'ip1'; shape mismatch.  Source param "
        "shape is 5 4 (20); target param shape is 6 4 (24)",
    }
    assert str(refusal.value) == message[form]


@pytest.mark.parametrize("form", ["binary", "hdf5", "net"])
def test_other_number_of_parameters_is_refused(tmp_path: Path, form: str) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.save(tmp_path / "binary")
    net.save_hdf5(tmp_path / "hdf5")
    other = build(tmp_path, TWO_LAYERS.replace("num_output: 5", "num_output: 5 bias_term: false"))
    with pytest.raises(WeightsError, match="Incompatible number of blobs for layer ip1"):
        other.share_with(net) if form == "net" else other.copy_from(tmp_path / form)


def test_nan_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.params["ip2"][0].data[1, 2] = np.nan
    net.save(tmp_path / "w")
    net.save_hdf5(tmp_path / "w.h5")
    other = build(tmp_path, TWO_LAYERS)
    for path in (tmp_path / "w", tmp_path / "w.h5"):
        with pytest.raises(WeightsError, match="param 0 of layer 'ip2' has 1 NaN among its 15"):
            other.copy_from(path)
    other.copy_from(tmp_path / "w", allow_nan=True)
    assert np.isnan(other.params["ip2"][0].data).sum() == 1


def test_infinities_are_no_nan(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.params["ip2"][0].data[0, :2] = np.inf, -np.inf
    net.save(tmp_path / "w")
    build(tmp_path, TWO_LAYERS).copy_from(tmp_path / "w")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, not a .caffemodel"),
        (b'name: "a"\nlayer { name: "b" }\n', "is cut off, or no .caffemodel"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is cut off, or no .caffemodel"),
        (b"PK\x03\x04" + bytes(100), "is cut off, or no .caffemodel"),
        (caffe_pb2.NetParameter(name="a").SerializeToString(), "it has no layers"),
        (
            caffe_pb2.BlobProto(num=1, channels=2, height=1, width=1).SerializeToString(),
            "is cut off, or no .caffemodel",
        ),
        (b"\x89HDF\r\n\x1a\n", "cannot be read as HDF5"),
    ],
)
def test_foreign_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "w.caffemodel"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as refusal:
        build(tmp_path, TWO_LAYERS).copy_from(path)
    assert str(path) in str(refusal.value)
    assert message in str(refusal.value)


def test_missing_and_unwritable_files_are_named(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS)
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        net.copy_from(tmp_path / "none")
    for save in (net.save, net.save_hdf5):
        with pytest.raises(WeightsError, match="cannot be written"):
            save(tmp_path / "no" / "w")
    assert not list(tmp_path.glob("**/*.part"))


def test_hdf5_without_weights_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["other"] = [1]
    with pytest.raises(WeightsError, match="has no group 'data'"):
        build(tmp_path, TWO_LAYERS).copy_from(tmp_path / "w.h5")


@pytest.fixture(scope="module")
def saved_bytes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Net, Path, bytes]:
    folder = tmp_path_factory.mktemp("weights")
    net = build(folder, TWO_LAYERS)
    net.save(folder / "w")
    return net, folder / "cut", (folder / "w").read_bytes()


def _read_or_refuse(net: Net, path: Path) -> None:
    """Read damaged weights: well, where the damage does not show, or with one of our errors."""
    with contextlib.suppress(WeightsError):
        net.copy_from(path)


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_cut_file_is_refused_or_has_whole_layers(
    saved_bytes: tuple[Net, Path, bytes], data: st.DataObject
) -> None:
    net, path, content = saved_bytes
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    _read_or_refuse(net, path)


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_crash(
    saved_bytes: tuple[Net, Path, bytes], data: st.DataObject
) -> None:
    net, path, content = saved_bytes
    position = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    _read_or_refuse(net, path)


def _blob_message(**fields: object) -> caffe_pb2.BlobProto:
    return caffe_pb2.BlobProto(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "blob",
    [
        _blob_message(num=1, channels=1, height=1, width=5, data=range(5)),
        _blob_message(shape=caffe_pb2.BlobShape(dim=[5]), data=range(5)),
        _blob_message(shape=caffe_pb2.BlobShape(dim=[5]), double_data=range(5)),
    ],
    ids=["legacy", "shape", "double"],
)
def test_blob_forms_of_all_ages_are_read(tmp_path: Path, blob: caffe_pb2.BlobProto) -> None:
    net = build(tmp_path, TWO_LAYERS)
    weights = _blob_message(shape=caffe_pb2.BlobShape(dim=[5, 4]), data=range(20))
    layer = caffe_pb2.LayerParameter(name="ip1", type="InnerProduct", blobs=[weights, blob])
    (tmp_path / "w").write_bytes(caffe_pb2.NetParameter(layer=[layer]).SerializeToString())
    net.copy_from(tmp_path / "w")
    assert net.params["ip1"][1].data.tolist() == [0, 1, 2, 3, 4]


def test_too_few_values_are_named(tmp_path: Path) -> None:
    weights = _blob_message(shape=caffe_pb2.BlobShape(dim=[5, 4]), data=range(19))
    bias = _blob_message(shape=caffe_pb2.BlobShape(dim=[5]), data=range(5))
    layer = caffe_pb2.LayerParameter(name="ip1", blobs=[weights, bias])
    (tmp_path / "w").write_bytes(caffe_pb2.NetParameter(layer=[layer]).SerializeToString())
    with pytest.raises(WeightsError, match=r"has 19 values for the shape 5 4 \(20\)"):
        build(tmp_path, TWO_LAYERS).copy_from(tmp_path / "w")


def test_layer_names_with_slashes_survive_hdf5(tmp_path: Path) -> None:
    text = TWO_LAYERS.replace('"ip1" type', '"a/ip1" type').replace('"ip2" type', '"a/b/ip" type')
    net, other = build(tmp_path, text, seed=1), build(tmp_path, text, seed=2)
    net.save_hdf5(tmp_path / "w.h5")
    other.load_hdf5(tmp_path / "w.h5")
    assert _equal(net, other)


def test_shared_nets_learn_together(tmp_path: Path) -> None:
    train, test = build(tmp_path, TWO_LAYERS, seed=1), build(tmp_path, TWO_LAYERS, Phase.TEST)
    test.share_with(train)
    train.params["ip1"][0].data[...] = 7
    assert (test.params["ip1"][0].data == 7).all()
    assert (test.engine_layers[2].params[0].detach().numpy() == 7).all()


@pytest.mark.slow
def test_large_file_is_read_without_a_second_copy(tmp_path: Path) -> None:
    # In a process of its own, whose peak of memory is this test's alone.
    code = f"""
import resource, sys
from digits import caffe
path = {str(tmp_path)!r}
open(path + "/net.prototxt", "w").write('''
layer {{ name: "d" type: "Input" top: "d" input_param {{ shape {{ dim: 1 dim: 4000 }} }} }}
layer {{ name: "f" type: "InnerProduct" bottom: "d" top: "f"
  inner_product_param {{ num_output: 10000 }} }}''')
net = caffe.Net(path + "/net.prototxt", caffe.TEST)
net.params["f"][0].data[...] = 2
net.save(path + "/w.caffemodel")
net.params["f"][0].data[...] = 1
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
net.copy_from(path + "/w.caffemodel")
assert (net.params["f"][0].data[::1000, ::1000] == 2).all()
print((peak() - before) // 1024)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    # The file has 153 MiB.
    assert int(run.stdout) < 50


@given(value=st.integers(0, 2**63 - 1))
def test_wire_numbers_survive(value: int) -> None:
    assert wire.read_varint(memoryview(wire.varint(value)), 0) == (value, len(wire.varint(value)))


@pytest.mark.parametrize("content", [b"\xff" * 20, b"\x0a\x05abc", b"\x0b", b"\x00\x00", b"\x0a"])
def test_wire_refuses_what_is_cut(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut|field|byte"):
        list(wire.fields(memoryview(content)))
