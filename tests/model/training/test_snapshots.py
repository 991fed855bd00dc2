"""Snapshots on disk: which weights there are, which state to go on from, what is removed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digits.caffe.proto.caffe_pb2 import SolverState
from digits.caffe.solving.snapshots.state_file import SolverState as State
from digits.caffe.solving.snapshots.state_file import write_state
from digits.model.training.snapshots import newest_state, remove_old_states, snapshot_weights

SMALLEST_STATE = SolverState(iter=1, current_step=0).SerializeToString()


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(SMALLEST_STATE)


def test_weights_are_told_apart_from_everything_else(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "snapshot_iter_20.caffemodel",
        "snapshot_iter_3.caffemodel.h5",
        "snapshot_iter_20.solverstate",
        "pretrained.caffemodel",
        ".snapshot_iter_30.caffemodel.part",
        "snapshot_iter_x.caffemodel",
    )
    weights = snapshot_weights(tmp_path)
    assert list(weights) == [3, 20]
    assert weights[3].name == "snapshot_iter_3.caffemodel.h5"


def test_the_newest_state_with_weights_is_the_one_to_go_on_from(tmp_path: Path) -> None:
    assert newest_state(tmp_path) is None
    touch(tmp_path, "snapshot_iter_9.solverstate", "snapshot_iter_9.caffemodel")
    touch(tmp_path, "snapshot_iter_10.solverstate", "snapshot_iter_10.caffemodel")
    touch(tmp_path, "snapshot_iter_10.resume", "snapshot_iter_11.solverstate")
    state = newest_state(tmp_path)
    assert state is not None
    assert state.name == "snapshot_iter_10.solverstate"


def test_older_states_are_removed_and_weights_stay(tmp_path: Path) -> None:
    remove_old_states(tmp_path)
    for iteration in (5, 10, 15):
        for kind in ("solverstate", "resume", "caffemodel"):
            touch(tmp_path, f"snapshot_iter_{iteration}.{kind}")
    (tmp_path / "snapshot_iter_15.solverstate").write_bytes(b"cut")  # being written, or cut off
    remove_old_states(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert "snapshot_iter_5.solverstate" not in left
    assert "snapshot_iter_5.resume" not in left
    assert left >= {f"snapshot_iter_{n}.caffemodel" for n in (5, 10, 15)}
    assert left >= {f"snapshot_iter_{n}.solverstate" for n in (10, 15)}


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_a_state_that_was_cut_is_passed_over_for_the_one_before(
    tmp_path: Path, suffix: str
) -> None:
    history = [np.ones((30, 20), np.float32)]
    for iteration in (5, 10):
        path = tmp_path / f"snapshot_iter_{iteration}.solverstate{suffix}"
        write_state(str(path), State(iteration, "weights", 0, history))
        touch(tmp_path, f"snapshot_iter_{iteration}.caffemodel")
    whole = path.read_bytes()
    assert newest_state(tmp_path) == path
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        state = newest_state(tmp_path)
        assert state is not None
        assert state.name == f"snapshot_iter_5.solverstate{suffix}", size
