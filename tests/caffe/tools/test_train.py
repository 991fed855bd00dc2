"""Caffe's train.py: a process a device, with the times of layers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.caffe.solving.test_nccl import NET

TRAIN = "from digits.caffe.tools.train import train\nif __name__ == '__main__':\n    train({})\n"
SOLVER = (
    'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 4 random_seed: 1 display: 2 '
    'snapshot: 4 snapshot_prefix: "snap"'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


def run_script(folder: Path, arguments: str) -> subprocess.CompletedProcess[str]:
    # Here on the CPU; on a command line devices are GPUs.
    (folder / "script.py").write_text(TRAIN.format(arguments))
    command = [sys.executable, "script.py"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.slow
def test_processes_train_together_and_tell_the_times_of_layers(folder: Path) -> None:
    done = run_script(folder, "'solver.prototxt', '', [None, None], True")
    assert done.returncode == 0, done.stderr
    assert "Using devices [None, None]" in done.stderr
    assert (folder / "snap_iter_4.caffemodel").exists()
    for words in ("forw   1       ip : ", "back   1       ip : ", "solver total: ", "allreduce: "):
        assert done.stderr.count(words) == 2  # iterations 0 and 2, of rank 0 alone


@pytest.mark.slow
def test_one_process_that_fails_ends_all(folder: Path) -> None:
    done = run_script(folder, "'solver.prototxt', 'nothing.solverstate', [None, None], False")
    assert done.returncode == 1
    assert "nothing.solverstate" in done.stderr
    assert "a process has failed; its messages stand above" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_a_gpu_that_is_not_there_is_told_at_once(folder: Path) -> None:
    command = [sys.executable, "-m", "digits.caffe", "train.py", "--solver=solver.prototxt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("train.py: error: ")
    assert "GPU" in done.stderr


@pytest.mark.slow
def test_the_solver_must_be_named(folder: Path) -> None:
    command = [sys.executable, "-m", "digits.caffe", "train.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--solver" in done.stderr
