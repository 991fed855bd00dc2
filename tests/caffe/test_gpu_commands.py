"""Caffe's commands with --gpu: what they say, and what they say when the GPU has no room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.caffe.networks import TWO_LAYERS
from tests.golden.runs import run_caffe
from tests.gpus import NO_GPU, needs_gpu

NET = """\
name: "tiny"
layer {{ name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {{
  shape {{ dim: {batch} dim: 3 dim: 32 dim: 32 }} shape {{ dim: {batch} }}
  data_filler {{ type: "constant" value: 1 }} data_filler {{ value: 1 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 64 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """\
net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 display: 1 max_iter: 3
snapshot_prefix: "snap"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.prototxt").write_text(NET.format(batch=4))
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Let this process have 256 MB of the GPU and no more."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2**28 / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@needs_gpu
@pytest.mark.gpu
def test_train_says_which_gpu_it_uses_and_trains(folder: Path) -> None:
    status, text = run_caffe(["train", "--solver=solver.prototxt", "-gpu", "0"], folder)
    assert status == 0, text
    assert "Using GPUs 0" in text
    assert f"GPU 0: {torch.cuda.get_device_name(0)}" in text
    assert (folder / "snap_iter_3.caffemodel").is_file()
    status, text = run_caffe(
        ["test", "--model=net.prototxt", "--weights=snap_iter_3.caffemodel", "--iterations=2",
         "--gpu=0"],
        folder,
    )  # fmt: skip
    assert status == 0, text
    assert "Use GPU with device ID 0" in text
    assert "loss = " in text


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_time_measures_every_layer(folder: Path, precision: str) -> None:
    flags = ["--model=net.prototxt", "--iterations=3", "-gpu", "0", f"--precision={precision}"]
    status, text = run_caffe(["time", *flags], folder)
    assert status == 0, text
    for layer in ("data", "conv", "ip", "loss"):
        assert f"{layer}\tforward: " in text
    assert "Average Forward-Backward: " in text


@needs_gpu
@pytest.mark.gpu
def test_device_query_shows_the_gpu(tmp_path: Path) -> None:
    for flag in ("0", "all"):
        status, text = run_caffe(["device_query", f"--gpu={flag}"], tmp_path)
        assert status == 0, text
        assert torch.cuda.get_device_name(0) in text
        total = torch.cuda.get_device_properties(0).total_memory
        assert f"Total global memory:           {total}" in text


@needs_gpu
@pytest.mark.gpu
@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("command", ["train", "time"])
def test_no_memory_left_names_gpu_and_cure(folder: Path, command: str) -> None:
    (folder / "net.prototxt").write_text(NET.format(batch=4096))
    flags = {"train": ["--solver=solver.prototxt"], "time": ["--model=net.prototxt"]}[command]
    status, text = run_caffe([command, *flags, "--gpu=0"], folder)
    assert status == 1
    [last] = [line for line in text.splitlines() if line.startswith("F")]
    assert f"out of memory on GPU 0 ({torch.cuda.get_device_name(0)}): of its " in last
    assert "Use a smaller batch_size" in last


@needs_gpu
@pytest.mark.gpu
def test_a_gpu_that_is_not_there_is_named_before_any_process_starts(folder: Path) -> None:
    missing = torch.cuda.device_count() + 3
    status, text = run_caffe(["train", "--solver=solver.prototxt", f"--gpu=0,{missing}"], folder)
    assert status == 1
    assert f"there is no GPU {missing}: this machine has {torch.cuda.device_count()}" in text
    assert text.count("there is no GPU") == 1


@pytest.mark.parametrize("command", ["train", "device_query"])
def test_a_gpu_named_twice_is_refused(folder: Path, command: str) -> None:
    status, text = run_caffe([command, "--solver=solver.prototxt", "--gpu=0,0"], folder)
    assert status == 1
    assert "--gpu names a GPU twice: 0,0" in text


@pytest.mark.skipif(not NO_GPU, reason="needs a machine without a CUDA device")
def test_several_gpus_without_one_are_refused_at_once(folder: Path) -> None:
    (folder / "net.prototxt").write_text(TWO_LAYERS)
    status, text = run_caffe(["train", "--solver=solver.prototxt", "--gpu=0,1"], folder)
    assert status == 1
    assert text.count("PyTorch sees no GPU here") == 1
