"""Solver states: round trips, cut and missing files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digits.caffe.errors import SolverError
from digits.caffe.solving.snapshots.state_file import SolverState, read_state, write_state


def state() -> SolverState:
    rng = np.random.default_rng(0)
    shapes = [(2, 3, 4, 4), (7,), ()]
    return SolverState(
        123456,
        "snap_iter_123456.caffemodel",
        3,
        [rng.standard_normal(shape, dtype=np.float32) for shape in shapes],
    )


@pytest.mark.parametrize("name", ["a.solverstate", "a.solverstate.h5"])
def test_a_state_comes_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    write_state(path, state())
    found, expected = read_state(path), state()
    assert (found.iteration, found.learned_net, found.current_step) == (
        expected.iteration,
        expected.learned_net,
        expected.current_step,
    )
    for a, b in zip(found.history, expected.history, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.solverstate", "a.solverstate.h5"])
def test_a_cut_state_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_state(str(path), state())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SolverError, match="no solver state, or a part of it is missing"):
        read_state(str(path))


def test_a_missing_state_is_named(tmp_path: Path) -> None:
    with pytest.raises(SolverError, match="nothing.solverstate: there is no such solver state"):
        read_state(str(tmp_path / "nothing.solverstate"))


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SolverError, match="cannot write the solver state"):
        write_state(str(tmp_path / "no" / "a.solverstate"), state())
