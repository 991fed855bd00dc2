"""Training longer: solver and plan for more epochs, from where the training ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.caffe.formats import prototxt
from digits.caffe.proto.caffe_pb2 import SolverParameter, SolverState
from digits.errors import FormError, JobRefused
from digits.model.training.longer import end_of, go_on
from digits.model.training.plan import TrainingPlan

PLAN = TrainingPlan(
    max_iter=100,
    epoch_iterations=10,
    train_images=100,
    train_batch_size=10,
    val_images=0,
    val_batch_size=0,
    accuracies=(),
)
STEP = "lr_policy: 'step' gamma: 0.1 stepsize: 33 base_lr: 0.01"


@pytest.fixture
def job_dir(tmp_path: Path) -> Path:
    """A training that ended at iteration 70 of 100."""
    (tmp_path / "solver.prototxt").write_text(
        f"net: 'train_val.prototxt' max_iter: 100 snapshot: 10 momentum: 0.9 {STEP}"
    )
    state = SolverState(iter=70, current_step=0).SerializeToString()
    (tmp_path / "snapshot_iter_70.solverstate").write_bytes(state)
    (tmp_path / "snapshot_iter_70.caffemodel").touch()
    return tmp_path


def test_it_goes_on_at_a_fixed_rate_and_keeps_everything_else(job_dir: Path) -> None:
    longer = go_on(job_dir, PLAN, end_of(job_dir), epochs=3, rate=0.002)
    assert longer.max_iter == 100  # 70 and 3 epochs of 10
    assert TrainingPlan.read(job_dir) == longer
    solver = prototxt.read_solver(job_dir / "solver.prototxt")
    assert (solver.max_iter, solver.lr_policy) == (100, "fixed")
    assert solver.base_lr == pytest.approx(0.002)
    assert not solver.HasField("gamma")
    assert not solver.HasField("stepsize")
    assert (solver.snapshot, solver.net) == (10, "train_val.prototxt")
    assert solver.momentum == pytest.approx(0.9)


def test_the_rate_at_the_end_is_that_of_the_last_iteration(job_dir: Path) -> None:
    assert end_of(job_dir).learning_rate == 0.0001  # two steps, at 33 and 66


def test_a_warmup_is_not_gone_through_again(job_dir: Path) -> None:
    (job_dir / "solver.prototxt").write_text(
        "lr_policy: 'fixed' base_lr: 0.01 lr_warmup: 140 max_iter: 200"
    )
    assert end_of(job_dir).learning_rate == 0.005  # half of it is done
    go_on(job_dir, PLAN, end_of(job_dir), epochs=3, rate=0.01)
    assert not prototxt.read_solver(job_dir / "solver.prototxt").HasField("lr_warmup")


def test_a_rate_that_ended_at_nothing_begins_again(job_dir: Path) -> None:
    solver = SolverParameter(max_iter=70, lr_policy="poly", power=1, base_lr=0.01)
    end = end_of(job_dir)
    (job_dir / "solver.prototxt").write_text(prototxt.to_text(solver))
    state = job_dir / "snapshot_iter_70.solverstate"
    for suffix in ("solverstate", "caffemodel"):
        (job_dir / f"snapshot_iter_71.{suffix}").write_bytes(state.read_bytes())
    assert end.iteration == 70
    assert end_of(job_dir).iteration == 71
    assert end_of(job_dir).learning_rate == 0.01


def test_without_a_state_it_says_what_else_can_be_done(job_dir: Path) -> None:
    (job_dir / "snapshot_iter_70.solverstate").unlink()
    with pytest.raises(JobRefused, match="Train a new model that begins with its weights"):
        end_of(job_dir)


@pytest.mark.parametrize("text", [None, "max_iter: many", "lr_policy: 'step'\xff"])
def test_a_solver_that_cannot_be_read_is_refused(job_dir: Path, text: str | None) -> None:
    (job_dir / "solver.prototxt").unlink()
    if text is not None:
        (job_dir / "solver.prototxt").write_bytes(text.encode("latin-1"))
    with pytest.raises(JobRefused, match=r"its solver\.prototxt cannot be read"):
        end_of(job_dir)


def test_more_than_caffe_can_count_is_refused_and_nothing_changed(job_dir: Path) -> None:
    before = (job_dir / "solver.prototxt").read_text()
    with pytest.raises(FormError) as caught:
        go_on(job_dir, PLAN, end_of(job_dir), epochs=1_000_000_000, rate=0.1)
    assert "2147483647" in caught.value.errors["train_epochs"][0]
    assert (job_dir / "solver.prototxt").read_text() == before
