"""`digits-caffe summarize`: a network as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.caffe.__main__ import main

NET = """\
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { name: "w" lr_mult: 2 }
  param { decay_mult: 0 }
  convolution_param { num_output: 8 kernel_size: 5 stride: 2 pad: 1 group: 1 } }
layer { name: "tall" type: "Convolution" bottom: "conv" top: "tall"
  convolution_param { num_output: 8 kernel_h: 3 kernel_w: 1 group: 2 } }
layer { name: "pool" type: "Pooling" bottom: "tall" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "mean" type: "Pooling" bottom: "pool" top: "mean"
  pooling_param { global_pooling: true } }
layer { name: "theirs" type: "Python" bottom: "mean" top: "out"
  python_param { module: "m" layer: "L" } }
layer { name: "loss" type: "EuclideanLoss" bottom: "out" bottom: "label" top: "loss"
  loss_weight: 0.5 }
"""


def test_a_line_says_what_a_layer_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    assert main(["summarize", str(tmp_path / "net.prototxt")]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["data", "Input", "->", "data"],
        ["conv", "Convolution", "(w", "x2,", "Dx0)", "data", "->", "conv", "5/2+1", "8"],
        ["tall", "Convolution", "conv", "->", "tall", "3x1", "8/2"],
        ["pool", "Pooling", "tall", "->", "pool", "2/2"],
        ["mean", "Pooling", "pool", "->", "mean", "global"],
        ["theirs", "m.L", "mean", "->", "out"],
        ["loss", "EuclideanLoss", "out,", "label?", "->", "0.5", "*", "loss"],
    ]


def test_columns_stand_under_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    assert main(["summarize.py", str(tmp_path / "net.prototxt"), "-w", "40"]) == 0
    arrows = {line.index("->") for line in capsys.readouterr().out.splitlines()}
    assert len(arrows) == 1


def test_a_file_that_is_no_network_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.prototxt").write_text("layers: what")
    assert main(["summarize", str(tmp_path / "net.prototxt")]) == 1
    assert "net.prototxt" in capsys.readouterr().err
