"""A training whose learning rate warms up: its log, its first steps, and going on after a stop."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from digits.caffe.__main__ import main

NET = """\
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 }
    data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)


def train(fields: str, *flags: str, iterations: int = 6) -> str:
    """A digest of the weights after the last iteration."""
    Path("solver.prototxt").write_text(
        f'net: "net.prototxt" base_lr: 0.1 lr_policy: "poly" power: 1 max_iter: {iterations} '
        f'momentum: 0.9 snapshot: 2 display: 1 snapshot_prefix: "snap" random_seed: 3 {fields}'
    )
    assert main(["train", "--solver=solver.prototxt", *flags]) == 0
    return hashlib.sha256(Path(f"snap_iter_{iterations}.caffemodel").read_bytes()).hexdigest()


def test_the_log_has_the_rates_that_the_formula_gives(capfd: pytest.CaptureFixture[str]) -> None:
    train("lr_warmup: 4")
    log = capfd.readouterr().err
    for iteration in range(6):
        rate = 0.1 * (1 - iteration / 6) * min(1, (iteration + 1) / 4)
        assert f"Iteration {iteration}, lr = {rate:.6g}\n" in log


def test_without_one_a_training_is_the_same_to_the_bit() -> None:
    assert train("lr_warmup: 0") == train("") != train("lr_warmup: 4")


def test_a_training_that_was_stopped_while_it_warmed_up_goes_on_to_the_bit() -> None:
    whole = train("lr_warmup: 4")
    for path in Path.cwd().glob("snap_iter_[46]*"):
        path.unlink()
    assert train("lr_warmup: 4", "--snapshot=snap_iter_2.solverstate") == whole


def test_a_negative_one_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    Path("solver.prototxt").write_text('net: "net.prototxt" lr_warmup: -1')
    assert main(["train", "--solver=solver.prototxt"]) == 1
    assert "lr_warmup must be 0 or more, received -1" in capfd.readouterr().err
