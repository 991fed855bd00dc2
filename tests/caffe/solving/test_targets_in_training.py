"""Solvers with label_smoothing and class_weight: what is trained, what the test says, refusals."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from digits.caffe.__main__ import main

NET = """\
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 }
    data_filler { type: "constant" value: 1 } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 } }
layer { name: "loss" type: "LOSS" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(fields: str, loss: str = "SoftmaxWithLoss", iterations: int = 200, *flags: str) -> int:
    Path("net.prototxt").write_text(NET.replace("LOSS", loss))
    Path("solver.prototxt").write_text(
        f'net: "net.prototxt" base_lr: 0.5 lr_policy: "fixed" max_iter: {iterations} test_iter: 1 '
        f"test_interval: 200 snapshot: {max(1, iterations // 2)} "
        f'snapshot_prefix: "snap" random_seed: 3 {fields}'
    )
    return main(["train", "--solver=solver.prototxt", *flags])


def losses(log: str) -> tuple[float, float]:
    """The last ones of training and of test."""
    trained = re.findall(r"Iteration \d+, loss = (\S+)", log)
    tested = re.findall(r"Test net output #0: loss = (\S+)", log)
    return float(trained[-1]), float(tested[-1])


def digest(iteration: int) -> str:
    return hashlib.sha256(Path(f"snap_iter_{iteration}.caffemodel").read_bytes()).hexdigest()


def test_smoothing_is_in_the_loss_of_training_alone(capfd: pytest.CaptureFixture[str]) -> None:
    # The best answer is then 0.9 and 0.1: -0.9 log 0.9 - 0.1 log 0.1, where the test has -log 0.9.
    assert train("label_smoothing: 0.2 display: 200") == 0
    assert losses(capfd.readouterr().err) == pytest.approx((0.325083, 0.105361), rel=1e-4)


def test_the_weight_of_a_class_multiplies_its_loss(capfd: pytest.CaptureFixture[str]) -> None:
    assert train("class_weight: 3 class_weight: 0.5 display: 1", iterations=1) == 0
    first = re.search(r"Iteration 0.*loss = (\S+)", capfd.readouterr().err)
    assert first is not None
    assert float(first[1]) == pytest.approx(0.5 * 0.693147, rel=1e-5)  # half of log 2


def test_with_everything_off_a_training_is_the_same_to_the_bit() -> None:
    train("", iterations=4)
    plain = digest(4)
    train("label_smoothing: 0", iterations=4)
    assert digest(4) == plain
    train("class_weight: 1 class_weight: 2", iterations=4)
    assert digest(4) != plain


def test_a_training_that_was_stopped_goes_on_to_the_bit() -> None:
    fields = "label_smoothing: 0.1 class_weight: 1 class_weight: 2"
    train(fields, iterations=4)
    whole = digest(4)
    assert train(fields, "SoftmaxWithLoss", 4, "--snapshot=snap_iter_2.solverstate") == 0
    assert digest(4) == whole


@pytest.mark.parametrize(
    ("fields", "loss", "said"),
    [
        ("label_smoothing: 1", "SoftmaxWithLoss", "label_smoothing must be 0 or more and below 1"),
        ("label_smoothing: nan", "SoftmaxWithLoss", "label_smoothing must be 0 or more"),
        ("class_weight: -1 class_weight: 1", "SoftmaxWithLoss", "received -1"),
        ("class_weight: inf class_weight: 1", "SoftmaxWithLoss", "received inf"),
        ("class_weight: 1", "SoftmaxWithLoss", "for 1 classes, and bottom 'ip' has 2"),
        ("label_smoothing: 0.1", "HingeLoss", "label_smoothing: for layers of the type Softmax"),
        ("class_weight: [1, 2]", "HingeLoss", "class_weight: for layers of the type Softmax"),
    ],
)
def test_what_cannot_be_had_ends_the_training_with_its_reason(
    fields: str, loss: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(fields, loss, 1) == 1
    assert said in capfd.readouterr().err
