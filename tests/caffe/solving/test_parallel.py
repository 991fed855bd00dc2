"""Training in two processes on the CPU: the same as one process with twice the batch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from digits.caffe.data import datum, db
from digits.caffe.proto.caffe_pb2 import NetParameter
from tests.caffe.data.conftest import MakeDatabase, make_database, picture
from tests.conftest import wait_until

__all__ = ["make_database"]

NET = """\
name: "small"
layer {{ name: "in" type: "Data" top: "data" top: "label"
  transform_param {{ scale: 0.01 {transform} }}
  data_param {{ source: "{source}" batch_size: {batch} backend: LMDB }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param {{ num_output: 20 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """\
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.001
clip_gradients: 2 display: 1 snapshot_prefix: "snap" random_seed: 3 max_iter: {iterations}
"""

pytestmark = pytest.mark.apart


@pytest.fixture
def source(make_database: MakeDatabase) -> str:
    return make_database([picture(i) for i in range(14)])


def write(folder: Path, source: str, batch: int, iterations: int, transform: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    text = NET.format(source=source, batch=batch, transform=transform)
    (folder / "net.prototxt").write_text(text)
    (folder / "solver.prototxt").write_text(SOLVER.format(iterations=iterations))
    return folder


def start(folder: Path, processes: int, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "digits.caffe", "train", "--solver=solver.prototxt",
         f"--processes={processes}", *flags],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def train(folder: Path, processes: int, *flags: str) -> str:
    process = start(folder, processes, *flags)
    _, log = process.communicate(timeout=250)
    assert process.returncode == 0, log
    return log


def weights(folder: Path, iteration: int) -> dict[str, np.ndarray]:
    net = NetParameter.FromString((folder / f"snap_iter_{iteration}.caffemodel").read_bytes())
    return {
        f"{layer.name} {index}": np.array(blob.data)
        for layer in net.layer
        for index, blob in enumerate(layer.blobs)
    }


@pytest.mark.slow
def test_two_processes_make_the_updates_of_one_with_twice_the_batch(
    tmp_path: Path, source: str
) -> None:
    two, one = write(tmp_path / "two", source, 3, 6), write(tmp_path / "one", source, 6, 6)
    log = train(two, 2)
    train(one, 1)
    expected = weights(one, 6)
    for name, values in weights(two, 6).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-6)
    # One of them speaks.
    assert log.count("Iteration 3 ") == 1
    assert log.count("Optimization Done.") == 2


@pytest.mark.slow
def test_a_resumed_training_of_two_gives_the_same_weights_to_the_bit(
    tmp_path: Path, source: str
) -> None:
    random = "mirror: true crop_size: 5"
    straight = write(tmp_path / "straight", source, 3, 5, random)
    train(straight, 2)
    stopped = write(tmp_path / "stopped", source, 3, 2, random)
    train(stopped, 2)
    write(stopped, source, 3, 5, random)
    train(stopped, 2, "--snapshot=snap_iter_2.solverstate")
    expected = weights(straight, 5)
    for name, values in weights(stopped, 5).items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.slow
def test_when_one_process_fails_all_end_with_its_message(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    with db.Writer(path) as writer:
        for index in range(8):
            # A record that only the second process reads.
            image = picture(index, 4, 4) if index == 7 else picture(index)
            writer.put(b"%08d" % index, datum.raw(image, index).SerializeToString())
    process = start(write(tmp_path / "run", path, 2, 1000), 2)
    _, log = process.communicate(timeout=250)
    assert process.returncode == 1
    assert "'00000007': the record has the shape 3 x 4 x 4" in log
    assert not members_of(process.pid)


def members_of(pid: int) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["ppid", "cmdline"])
        if process.info["ppid"] == pid and process.status() != psutil.STATUS_ZOMBIE
    ]


def two_at_work(tmp_path: Path, source: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A training in two processes that has begun: the first, and the other."""
    process = start(write(tmp_path / "run", source, 2, 10**7), 2)
    assert process.stderr is not None
    while "Iteration 1 " not in process.stderr.readline():
        assert process.poll() is None
    [other] = members_of(process.pid)
    return process, other


def ended(process: psutil.Process) -> bool:
    """Whether a process has ended, even if its parent has not asked for its status yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_is_left_behind_when_the_first_process_is_ended(
    tmp_path: Path, source: str, number: signal.Signals
) -> None:
    process, other = two_at_work(tmp_path, source)
    process.send_signal(number)
    process.communicate(timeout=60)
    wait_until(lambda: ended(other))


@pytest.mark.slow
def test_another_process_ends_at_once_while_it_waits_for_the_first(
    tmp_path: Path, source: str
) -> None:
    process, other = two_at_work(tmp_path, source)
    process.send_signal(signal.SIGSTOP)
    # It computes, or waits within PyTorch for a message that does not come.
    other.terminate()
    wait_until(lambda: ended(other))
    process.send_signal(signal.SIGCONT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "another process of the training is gone" in log or "ended with status -15" in log


@pytest.mark.slow
def test_sigint_stops_both_after_the_same_iteration(tmp_path: Path, source: str) -> None:
    process, _ = two_at_work(tmp_path, source)
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Optimization stopped early." in log
    assert len(list((tmp_path / "run").glob("*.solverstate"))) == 1
