"""Resume files: round trips, whose they are, damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digits.caffe.errors import SolverError
from digits.caffe.solving.snapshots.resume_file import read_resume, resume_path, write_resume
from digits.caffe.solving.snapshots.state_file import SolverState, write_state

STATE = SolverState(5, "snap_iter_5.caffemodel", 0, [np.arange(6, dtype=np.float32)])


def test_a_resume_file_keeps_values_and_arrays(tmp_path: Path) -> None:
    path = str(tmp_path / "snap_iter_5.solverstate")
    write_state(path, STATE)
    write_resume(path, {"layers": {"data": {"key": "00", "offset": 7}}, "random": np.arange(5)})
    assert resume_path(path) == str(tmp_path / "snap_iter_5.resume")
    found = read_resume(path)
    assert found is not None
    assert found["layers"] == {"data": {"key": "00", "offset": 7}}
    np.testing.assert_array_equal(found["random"], np.arange(5))


def test_a_resume_file_is_not_used_with_another_state(tmp_path: Path) -> None:
    path = str(tmp_path / "snap_iter_5.solverstate.h5")
    write_state(path, STATE)
    write_resume(path, {})
    assert read_resume(path) is not None
    write_state(path, SolverState(6, "other", 0, []))
    assert read_resume(path) is None


def test_a_state_without_resume_file_has_nothing_to_resume(tmp_path: Path) -> None:
    assert read_resume(str(tmp_path / "snap_iter_5.solverstate")) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}', '{"format": "x"}'])
def test_a_damaged_resume_file_is_an_error_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = str(tmp_path / "snap_iter_5.solverstate")
    write_state(path, STATE)
    Path(resume_path(path)).write_text(text)
    with pytest.raises(SolverError, match="remove it to resume as Caffe does"):
        read_resume(path)
