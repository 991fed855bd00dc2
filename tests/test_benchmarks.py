"""What the benchmarks measure: the same networks on both sides, and tables that line up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import gpu, transfer_quality
from benchmarks.handwritten import NETWORKS, TRAINED
from benchmarks.networks import CLASSES, INPUTS, train_net
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.net import Net
from digits.caffe.solving.precision import Precision
from tests.gpus import NO_GPU


@pytest.mark.parametrize("name", [pytest.param("resnet50", marks=pytest.mark.slow), "lite0"])
def test_network_and_hand_written_module_learn_the_same_parameters(name: str) -> None:
    net = Net(train_net(name, 1), Phase.TRAIN, context=LayerContext(), keep_blobs=False)
    ours = [
        blob.shape
        for layer, blobs in net.params.items()
        if not layer.startswith("bn_")  # statistics
        for blob in blobs
    ]
    theirs = [tuple(parameter.shape) for parameter in NETWORKS[name]().parameters()]
    assert ours == theirs
    assert net.outputs == ["loss"]


def test_a_measured_solver_trains_on_the_batch_in_memory() -> None:
    solver = gpu.solver_of("lenet", Precision.FP32, torch.device("cpu"))
    before = [param.detach().clone() for param in solver.net.learnable_params]
    solver.step(2)
    assert solver.iter == 2
    for param, then in zip(solver.net.learnable_params, before, strict=True):
        assert not torch.equal(param, then)
    solver.close()


def test_the_data_layer_that_is_measured_hands_over_pictures(tmp_path: Path) -> None:
    gpu.write_pictures(tmp_path / "db", 3)
    net = Net(gpu.data_net(tmp_path / "db", 2), Phase.TRAIN, context=LayerContext())
    try:
        outputs = net.forward()
    finally:
        net.close()
    assert outputs["data"].shape == (2, 3, 227, 227)
    assert outputs["label"].tolist() == [0, 1]


@pytest.mark.skipif(not NO_GPU, reason="needs a machine without a CUDA device")
def test_without_a_gpu_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--networks", "lenet", "--precisions", "fp32"]) == 0
    assert capsys.readouterr().out == gpu.NO_GPU + "\n"


@pytest.mark.parametrize("arguments", [["--networks", "vgg"], ["--precisions", "fp16"]])
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        gpu.main(arguments)
    assert f"invalid choice: '{arguments[1]}'" in capsys.readouterr().err


def test_a_line_of_the_table_stands_below_its_head() -> None:
    ours = gpu.Timing(seconds=0.010, memory=3 << 30, waits=2)
    theirs = gpu.Timing(seconds=0.015, memory=1 << 30)
    line = gpu.Row("resnet50", 128, Precision.BF16, ours, theirs).text()
    assert line.split() == [
        *("resnet50", "128", "bf16", "10.00", "ms", "15.00", "ms", "1.50", "12800"),
        *("3.00", "GiB", "1.00", "GiB", "2"),
    ]
    assert len(line) == len(gpu.HEAD)


def test_every_measured_network_has_a_batch_and_a_module() -> None:
    assert set(gpu.BATCHES) == set(TRAINED) == set(INPUTS) == set(CLASSES)


def test_emoji_go_by_the_groups_of_unicode_and_sequences_are_left_out() -> None:
    groups = transfer_quality.emoji_groups(
        "# group: Smileys & Emotion\n"
        "1F600 ; fully-qualified # 😀 E1.0 grinning face\n"
        "2639 FE0F ; fully-qualified # ☹️ E0.7 frowning face\n"
        "2639 ; unqualified # ☹ E0.7 frowning face\n"
        "# group: Flags\n"
        "1F1E6 1F1E8 ; fully-qualified # 🇦🇨 E2.0 flag: Ascension Island\n"
    )
    assert groups == {"Smileys & Emotion": ["\U0001f600", "\u2639"], "Flags": []}


def test_what_is_measured_on_was_not_learned_from() -> None:
    labels = np.repeat([0, 1, 2], [200, 40, 5])
    learned, measured = transfer_quality.split(labels, np.array([0, 1]), 10, seed=3)
    assert np.bincount(labels[learned]).tolist() == [10, 10]
    assert np.bincount(labels[measured]).tolist() == [100, 30]
    assert not set(learned) & set(measured)
