"""Device, mode and seed: as chosen by the thread; the same numbers on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from digits import caffe
from digits.caffe.errors import CaffeError
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine import device
from digits.caffe.net import Net
from tests.caffe.networks import TWO_LAYERS, build, fill_inputs
from tests.gpus import NO_GPU, needs_gpu


@pytest.fixture(autouse=True)
def cpu_mode_afterwards() -> Iterator[None]:
    yield
    device.set_mode_cpu()
    device.set_solver_count(1)
    device.set_solver_rank(0)
    device.set_multiprocess(False)


def test_mode_belongs_to_the_thread() -> None:
    device.set_mode_gpu()
    found: list[torch.device] = []
    thread = threading.Thread(target=lambda: found.append(device.current_device()))
    thread.start()
    thread.join()
    assert found == [torch.device("cpu")]


@pytest.mark.skipif(not NO_GPU, reason="needs a machine without a CUDA device")
def test_gpu_mode_without_a_gpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="PyTorch sees no GPU here"):
        caffe.set_device(0)
    build(tmp_path, TWO_LAYERS)
    caffe.set_mode_gpu()
    with pytest.raises(CaffeError, match="PyTorch sees no GPU here"):
        caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    caffe.set_mode_cpu()
    caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)


def test_seed_repeats_the_weights(tmp_path: Path) -> None:
    build(tmp_path, TWO_LAYERS)
    weights = []
    for _ in range(2):
        caffe.set_random_seed(11)
        net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TRAIN)
        weights.append(net.params["ip1"][0].data.copy())
    assert np.array_equal(*weights)


def test_solver_numbers_are_kept() -> None:
    caffe.set_solver_count(4)
    caffe.set_solver_rank(3)
    caffe.set_multiprocess(True)
    assert (caffe.solver_count(), caffe.solver_rank(), device.multiprocess()) == (4, 3, True)
    assert isinstance(caffe.has_nccl(), bool)


def _passes(net: Net) -> list[np.ndarray]:
    fill_inputs(net)
    net.forward()
    net.clear_param_diffs()
    net.backward()
    blobs = [net.blobs[name].data.copy() for name in ("ip1", "ip2", "loss")]
    return [*blobs, *(blob.diff.copy() for blob in net.learnable_blobs)]


@needs_gpu
@pytest.mark.gpu
def test_gpu_computes_the_same(tmp_path: Path) -> None:
    on_cpu = _passes(build(tmp_path, TWO_LAYERS, seed=3))
    caffe.set_mode_gpu()
    caffe.set_device(0)
    caffe.set_random_seed(3)
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TRAIN)
    assert net.learnable_params[0].device.type == "cuda"
    for ours, theirs in zip(_passes(net), on_cpu, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)


@needs_gpu
@pytest.mark.gpu
def test_arrays_of_a_gpu_net_can_be_written_and_held(tmp_path: Path) -> None:
    build(tmp_path, TWO_LAYERS)
    context = LayerContext(device=torch.device("cuda", 0))
    net = Net(tmp_path / "net.prototxt", Phase.TRAIN, context=context)
    data, scores = net.blobs["data"].data, net.blobs["ip2"].data
    net.params["ip2"][0].data[...] = 0
    net.params["ip2"][1].data[...] = [1, 2, 3]
    data[...] = 1
    net.forward()
    assert scores.tolist() == [[1, 2, 3]] * 3
    net.backward()
    gradient = net.params["ip2"][1].diff
    assert gradient.any()
    gradient[...] = 5
    net.backward()
    assert not np.allclose(net.params["ip2"][1].diff, 5)


@needs_gpu
@pytest.mark.gpu
def test_float32_is_exact_on_the_gpu() -> None:
    caffe.set_mode_gpu()
    device.current_device()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@needs_gpu
@pytest.mark.gpu
def test_weights_go_to_the_gpu_and_back(tmp_path: Path) -> None:
    saved = build(tmp_path, TWO_LAYERS, seed=1)
    saved.save(tmp_path / "w")
    context = LayerContext(device=torch.device("cuda", 0), channels_last=True)
    net = Net(tmp_path / "net.prototxt", Phase.TEST, weights=tmp_path / "w", context=context)
    net.save(tmp_path / "again")
    assert (tmp_path / "again").stat().st_size == (tmp_path / "w").stat().st_size
    for ours, theirs in zip(net.learnable_blobs, saved.learnable_blobs, strict=True):
        assert np.array_equal(ours.data, theirs.data)
