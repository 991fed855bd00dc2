"""Complete outputs of Caffe's command line: commands, logs, exit status, mistakes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.golden.cases import DATA
from tests.golden.runs import copy_of, difference, lines, run_caffe

LOGS: dict[str, dict[str, Any]] = json.loads((DATA / "logs" / "index.json").read_text())

# Nothing but numbers that depend on weights filled at random, or on the clock, may differ.
EQUAL = ["train_ok", "test", "test_multi", "time", "version", "unknown_command"]
RANDOM_OR_CLOCK = ["train_ok", "time"]

# Mistakes: the log is the recorded one up to the line of level F, which must say this.
REFUSED = {
    "train_bad_prototxt": ["net.prototxt:25:", "ConvolutionParameter", "num_outputs"],
    "train_bad_solver": ["solver.prototxt:13:", "SolverParameter", "no_such_option"],
    "train_missing_lmdb": ["does_not_exist", "No such file or directory"],
    "train_missing_net": ["net.prototxt", "No such file or directory"],
    "train_missing_mean": ["missing.binaryproto", "not found"],
    "train_unknown_layer": ["unknown type 'Tanh'", "TanH"],
    "train_unknown_policy": ["Unknown learning rate policy: warm"],
    "train_unknown_solver_type": [
        "Unknown solver type: Newton (known types: AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD)"
    ],
    "train_weights_mismatch": [
        "Cannot copy param 0 weights from layer 'ip1'; shape mismatch.  Source param shape is 16 "
        "200 (3200); target param shape is 17 200 (3400)."
    ],
    "train_missing_weights": ["nothing.caffemodel", "No such file or directory"],
    "train_bad_label": ["layer 'loss' (SoftmaxWithLoss)", "6912", "16 labels"],
    "train_gpu_on_cpu_build": ["no GPU"],
    "train_no_solver": ["Need a solver definition to train."],
    "test_no_weights": ["Need model weights to score."],
    "device_query": ["no GPU"],
}

# Where a recorded log begins to say that it failed.
FAILURE = re.compile(r"^(?:HDF5-DIAG|\[libprotobuf ERROR|F\d{4} )", re.MULTILINE)

# Caffe goes on with a nan; ours ends in the iteration that has it, and says so.
NAN = {"train_nan": 7, "train_nan_softmax": 5, "train_diverged_softmax": 5}

# Need signals from outside: tests/caffe/test_command_line.py.
SIGNALS = ["train_sigint", "train_sighup"]


def run(name: str, tmp_path: Path, *more: str) -> tuple[int, str, str]:
    """Exit status and output of a recorded command, and the recorded output."""
    folder = copy_of(DATA / "logs" / name, tmp_path)
    status, text = run_caffe([*shlex.split(LOGS[name]["command"])[1:], *more], folder)
    return status, text, (folder / "output.log").read_text()


def test_every_recorded_log_is_compared() -> None:
    assert {*EQUAL, *REFUSED, *NAN, *SIGNALS, "usage"} == set(LOGS)
    assert len(LOGS) == 27


@pytest.mark.parametrize("name", EQUAL)
def test_the_output_is_the_recorded_one(name: str, tmp_path: Path) -> None:
    status, text, recorded = run(name, tmp_path)
    assert (status == 0) is (LOGS[name]["exit_code"] == 0)
    assert not difference(text, recorded, numbers=name not in RANDOM_OR_CLOCK)


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_ends_in_a_line_of_level_f_that_says_it(name: str, tmp_path: Path) -> None:
    if "GPU" in str(REFUSED[name]) and torch.cuda.is_available():
        pytest.skip("this machine has a GPU, so asking for one is no mistake")
    status, text, recorded = run(name, tmp_path)
    assert status == 1
    *before, last = lines(text)
    assert last.startswith("F ")
    for words in REFUSED[name]:
        assert words in last
    expected = FAILURE.split(recorded)[0]
    assert not difference("\n".join(before), expected, numbers=name != "train_unknown_policy")


@pytest.mark.parametrize("name", NAN)
def test_a_nan_loss_ends_the_training_and_names_the_iteration(name: str, tmp_path: Path) -> None:
    status, text, recorded = run(name, tmp_path)
    assert status == 1
    *before, last = lines(text)
    assert last.startswith("F ")
    assert f"the loss is nan in iteration {NAN[name]}" in last
    assert not difference("\n".join(before), "\n".join(lines(recorded)[: len(before)]))


@pytest.mark.parametrize("name", NAN)
def test_allow_nan_goes_on_as_caffe_does(name: str, tmp_path: Path) -> None:
    status, text, recorded = run(name, tmp_path, "--allow_nan")
    assert status == 0
    assert not difference(text, recorded.split("double free")[0])


def test_usage_lists_caffes_commands_and_flags(tmp_path: Path) -> None:
    status, text, recorded = run("usage", tmp_path)
    assert status == 0
    ours, theirs = text.splitlines(), recorded.splitlines()
    assert ours[:8] == theirs[:8]
    flags = [line.split()[0] for line in theirs if line.startswith("    -")]
    assert set(flags) <= {line.split()[0] for line in ours if line.startswith("    -")}
