"""Programs killed at random moments: what they wrote is whole, or it is not there at all.

`benchmarks.kills` does the same at many more moments.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from digits.caffe.proto.caffe_pb2 import BlobProto, Datum, NetParameter, SolverState
from digits.model.training import snapshots

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DATABASE_KILLS = 12
TRAINING_KILLS = 6
PICTURES = 300

NET = """
name: "Big enough to be caught while it is written"
layer { name: "data" type: "DummyData" top: "data" top: "label"
        dummy_data_param { shape { dim: 4 dim: 1000 } shape { dim: 4 }
                           data_filler { type: "gaussian" } data_filler { type: "constant" } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 3000 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }
"""
SOLVER = """
net: "net.prototxt"
base_lr: 0.001
lr_policy: "fixed"
momentum: 0.9
max_iter: 1000000
display: 1
snapshot: 2
snapshot_prefix: "snapshot"
"""
PARAMETERS = [(3000, 1000), (3000,)]


def run_and_kill(command: list[str], folder: Path, after_s: float, log: Path) -> None:
    """Start a program and kill it, with its workers, after so many seconds."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_database_and_its_mean_are_whole_or_absent(tmp_path: Path) -> None:
    kill_databases(tmp_path, DATABASE_KILLS)


def test_snapshots_are_whole_or_absent_and_training_goes_on_from_the_newest(
    tmp_path: Path,
) -> None:
    kill_trainings(tmp_path, TRAINING_KILLS)


def write_pictures(folder: Path) -> None:
    """A list of noisy pictures, with their labels."""
    random_ = np.random.default_rng(1)
    lines = []
    (folder / "pictures").mkdir()
    for number in range(PICTURES):
        path = folder / "pictures" / f"{number}.png"
        Image.fromarray(random_.integers(0, 256, (64, 64, 3), np.uint8)).save(path)
        lines.append(f"{path} {number % 2}\n")
    (folder / "train.txt").write_text("".join(lines))
    (folder / "labels.txt").write_text("cat\ndog\n")


def kill_databases(pictures: Path, times: int) -> None:
    """Make a database in an empty folder again and again, killed so many times before its end."""
    write_pictures(pictures)
    command = [
        sys.executable, "-m", "digits.tools.create_db", "train.txt", "train_db", "--width", "64",
        "--height", "64", "--labels", "labels.txt", "--mean", "mean.binaryproto",
    ]  # fmt: skip
    log = pictures / "create_db.log"
    began = time.monotonic()
    subprocess.run(command, cwd=pictures, check=True, capture_output=True)
    whole_run_s = time.monotonic() - began
    check_database(pictures)
    random_ = random.Random()
    killed = 0  # runs that were really killed before their end
    while killed < times:
        subprocess.run(["rm", "-rf", "train_db", "mean.binaryproto"], cwd=pictures, check=True)
        run_and_kill(command, pictures, random_.uniform(0, 1.2 * whole_run_s), log)
        if (pictures / "train_db").exists():
            check_database(pictures)
        else:
            killed += 1
        if (pictures / "mean.binaryproto").exists():
            check_mean(pictures)
    subprocess.run(command, cwd=pictures, check=True, capture_output=True)
    check_database(pictures)
    check_mean(pictures)
    assert not list(pictures.glob(".train_db*"))


def check_database(folder: Path) -> None:
    database = lmdb.open(str(folder / "train_db"), readonly=True, lock=False)
    with database, database.begin() as transaction:
        labels = [Datum.FromString(value).label for _, value in transaction.cursor()]
    assert len(labels) == PICTURES
    assert sorted(set(labels)) == [0, 1]


def check_mean(folder: Path) -> None:
    mean = BlobProto.FromString((folder / "mean.binaryproto").read_bytes())
    assert len(mean.data) == 3 * 64 * 64


def kill_trainings(folder: Path, times: int) -> None:
    """Train in an empty folder, killed so many times, and each time on from the newest state."""
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(SOLVER)
    random_ = random.Random()
    reached = 0
    for _ in range(times):
        command = [sys.executable, "-m", "digits.caffe", "train", "--solver=solver.prototxt"]
        newest = snapshots.newest_state(folder)
        if newest is not None:
            command.append(f"--snapshot={newest.name}")
        log = folder / "train.log"
        log.write_bytes(b"")
        train_until(command, folder, log, random_.uniform(0.0, 1.0))
        if newest is not None:
            first = re.search(r"Iteration (\d+)", log.read_text())
            assert first is not None
            assert int(first[1]) == reached
        check_snapshots(folder)
        newest = snapshots.newest_state(folder)
        assert newest is not None
        reached = int(newest.stem.rpartition("_")[2])
        snapshots.remove_old_states(folder)
        for path in folder.glob("*.caffemodel"):
            if not path.name.endswith(f"_{reached}.caffemodel"):
                path.unlink()
    assert reached > times


def train_until(command: list[str], folder: Path, log: Path, more_s: float) -> None:
    """Train until a snapshot is told of in the log, and then so many seconds more; then kill."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, env=environment
        )
    deadline = time.monotonic() + 120
    while log.read_text().count("Snapshotting solver state") < 2:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(more_s)  # the moment of the kill is what this test varies
    process.kill()
    process.wait()


def check_snapshots(folder: Path) -> None:
    for path in folder.glob("snapshot_iter_*"):
        number = int(re.findall(r"\d+", path.name)[0])
        match path.suffix:
            case ".caffemodel":
                net = NetParameter.FromString(path.read_bytes())
                [layer] = [layer for layer in net.layer if layer.blobs]
                assert [tuple(blob.shape.dim) for blob in layer.blobs] == PARAMETERS
                assert [len(blob.data) for blob in layer.blobs] == [3_000_000, 3000]
            case ".solverstate":
                state = SolverState.FromString(path.read_bytes())
                assert state.iter == number
                assert [len(blob.data) for blob in state.history] == [3_000_000, 3000]
            case ".resume":
                assert "solverstate" in json.loads(path.read_text())
