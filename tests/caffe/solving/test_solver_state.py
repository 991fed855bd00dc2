"""Solver states and resume files: round trips, Caffe's own bytes, damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digits.caffe.errors import SolverError
from digits.caffe.formats.files import written_whole
from digits.caffe.solving.resume import read_resume, resume_path, write_resume
from digits.caffe.solving.solver_state import SolverState, read_state, write_state


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


def test_a_file_whose_writing_fails_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail_in_the_middle() -> None:
        with written_whole(path) as part:
            Path(part).write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_in_the_middle()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_resume_file_keeps_values_and_arrays(tmp_path: Path) -> None:
    path = str(tmp_path / "snap_iter_5.solverstate")
    write_state(path, state())
    write_resume(path, {"layers": {"data": {"key": "00", "offset": 7}}, "random": np.arange(5)})
    assert resume_path(path) == str(tmp_path / "snap_iter_5.resume")
    found = read_resume(path)
    assert found is not None
    assert found["layers"] == {"data": {"key": "00", "offset": 7}}
    np.testing.assert_array_equal(found["random"], np.arange(5))


def test_a_resume_file_is_not_used_with_another_state(tmp_path: Path) -> None:
    path = str(tmp_path / "snap_iter_5.solverstate.h5")
    write_state(path, state())
    write_resume(path, {})
    assert read_resume(path) is not None
    write_state(path, SolverState(6, "other", 0, []))
    assert read_resume(path) is None


def test_a_state_without_resume_file_has_nothing_to_resume(tmp_path: Path) -> None:
    assert read_resume(str(tmp_path / "snap_iter_5.solverstate")) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}', '{"format": "x"}'])
def test_a_damaged_resume_file_is_an_error_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = str(tmp_path / "snap_iter_5.solverstate")
    write_state(path, state())
    Path(resume_path(path)).write_text(text)
    with pytest.raises(SolverError, match="remove it to resume as Caffe does"):
        read_resume(path)
