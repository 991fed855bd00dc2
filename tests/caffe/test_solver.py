"""Solvers as scripts use them, and what a training does that recordings do not show."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from digits import caffe
from digits.caffe.data import db
from digits.caffe.errors import CaffeError, DataError, NetError, SolverError, WeightsError
from digits.caffe.formats.prototxt import parse_text
from digits.caffe.layers.base import LayerContext
from digits.caffe.machine.randomness import Randomness
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solver import Solver, get_solver
from digits.caffe.solving import updater
from digits.caffe.solving.signals import Action
from digits.caffe.solving.solver_options import Options
from digits.caffe.solving.solver_param import read_solver_param
from tests.caffe.data.conftest import MakeDatabase, make_database, picture

__all__ = ["make_database"]

NET = """\
name: "small"
layer {{ name: "in" type: "Data" top: "data" top: "label" include {{ phase: TRAIN }}
  transform_param {{ scale: 0.01 mirror: true crop_size: 5 }}
  data_param {{ source: "{source}" batch_size: 4 backend: LMDB }} }}
layer {{ name: "test_in" type: "Data" top: "data" top: "label" include {{ phase: TEST }}
  transform_param {{ scale: 0.01 crop_size: 5 }}
  data_param {{ source: "{source}" batch_size: 3 backend: LMDB }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "drop" type: "Dropout" bottom: "conv" top: "conv" }}
layer {{ name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param {{ num_output: 10 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """\
net: "net.prototxt"
base_lr: 0.1
lr_policy: "step"
gamma: 0.5
stepsize: 4
momentum: 0.9
weight_decay: 0.001
max_iter: 12
test_iter: 2
test_interval: 4
display: 1
snapshot_prefix: "snap"
random_seed: 3
"""
MakeSolver = Callable[..., Solver]


@pytest.fixture
def folder(tmp_path: Path, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a net, its solver and a database."""
    source = make_database([picture(i) for i in range(10)])
    (tmp_path / "net.prototxt").write_text(NET.format(source=source))
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def make_solver(folder: Path) -> Iterator[MakeSolver]:
    """Makes solvers of the folder, with changed settings; each has random numbers of its own."""
    made: list[Solver] = []

    def make(changes: str = "", **options: object) -> Solver:
        param = read_solver_param("solver.prototxt")
        change = SolverParameter()
        parse_text(changes, change)
        for name in {field.name for field, _ in change.ListFields()}:
            param.ClearField(name)
        param.MergeFrom(change)
        options = {"context": LayerContext(random=Randomness()), **options}
        made.append(get_solver(param, options=Options(**options)))
        return made[-1]

    yield make
    for solver in made:
        solver.close()


def params(solver: Solver) -> list[np.ndarray]:
    return [blob.data.copy() for blobs in solver.net.params.values() for blob in blobs]


def assert_equal(one: Solver, other: Solver) -> None:
    for a, b in zip(params(one), params(other), strict=True):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------ pycaffe's interface


def test_a_script_for_pycaffe_trains(folder: Path) -> None:
    solver = caffe.SGDSolver("solver.prototxt")
    calls: list[str] = []
    solver.add_callback(lambda: calls.append("start"), lambda: calls.append("gradients"))
    before = solver.net.params["ip"][0].data.copy()
    solver.step(3)
    assert solver.iter == 3
    assert calls == ["start", "gradients"] * 3
    assert solver.net.blobs["loss"].data.shape == ()
    assert solver.net.blobs["conv"].data.shape == (4, 4, 3, 3)
    assert np.abs(solver.net.blobs["conv"].diff).sum() > 0
    assert not np.array_equal(before, solver.net.params["ip"][0].data)
    assert (solver.param.max_iter, solver.param.display, solver.type) == (12, 1, "SGD")
    assert len(solver.test_nets) == 1
    solver.solve()
    assert solver.iter == 12
    assert Path("snap_iter_12.caffemodel").is_file()
    solver.test_nets[0].share_with(solver.net)
    assert 0 <= solver.test_nets[0].forward()["accuracy"] <= 1
    solver.close()


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_each_class_takes_its_own_rule(folder: Path, kind: str) -> None:
    text = SOLVER.replace("momentum: 0.9\n", "") + 'type: "SGD"\n'
    Path("solver.prototxt").write_text(text)
    solver = getattr(caffe, f"{kind}Solver")("solver.prototxt")
    solver.step(1)
    assert solver.type == kind
    solver.close()
    Path("solver.prototxt").write_text(text.replace('"SGD"', f'"{kind}"'))
    found = caffe.get_solver("solver.prototxt")
    assert type(found).__name__ == f"{kind}Solver"
    found.close()


def test_apply_update_takes_the_gradients_that_a_script_made(make_solver: MakeSolver) -> None:
    solver = make_solver("momentum: 0 weight_decay: 0")
    solver.net.forward()
    solver.net.clear_param_diffs()
    blob = solver.net.params["ip"][1]
    before = blob.data.copy()
    blob.diff[...] = 2
    solver.apply_update()
    np.testing.assert_allclose(blob.data, before - 0.1 * 2, rtol=1e-6)
    assert solver.iter == 1


def test_weights_can_be_shared_between_solvers(make_solver: MakeSolver) -> None:
    one, other = make_solver(), make_solver("random_seed: 9")
    other.share_weights(one.net)
    one.step(1)
    assert_equal(one, other)


@pytest.mark.parametrize("iterations", [1.5, 2.0, "1", None])
def test_only_whole_numbers_of_iterations_are_trained(
    make_solver: MakeSolver, iterations: Any
) -> None:
    solver = make_solver()
    with pytest.raises(TypeError):
        solver.step(iterations)
    assert solver.iter == 0


def test_gradients_hold_the_update_afterwards(make_solver: MakeSolver) -> None:
    solver = make_solver()
    before = params(solver)
    solver.step(1)
    diffs = [blob.diff for blobs in solver.net.params.values() for blob in blobs]
    for old, new, diff in zip(before, params(solver), diffs, strict=True):
        np.testing.assert_allclose(old - new, diff, atol=1e-6)


# ------------------------------------------------------------------ the same twice


@pytest.mark.parametrize("options", [{}, {"keep_blobs": False}])
def test_a_seeded_training_repeats_to_the_bit(
    make_solver: MakeSolver, options: dict[str, object]
) -> None:
    one, other = make_solver(**options), make_solver(**options)
    one.step(8)
    other.step(8)
    assert_equal(one, other)


def test_another_seed_gives_another_training(make_solver: MakeSolver) -> None:
    one, other = make_solver(), make_solver("random_seed: 4")
    assert not np.array_equal(params(one)[0], params(other)[0])


def test_large_parameters_updated_early_become_the_same(
    make_solver: MakeSolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = make_solver("type: 'Nesterov'", keep_blobs=False)
    late.step(6)
    monkeypatch.setattr(updater, "_LARGE", 1)
    early = make_solver("type: 'Nesterov'", keep_blobs=False)
    early.step(6)
    assert early.net.learnable_params[0].grad is None
    assert_equal(early, late)


@pytest.mark.parametrize("snapshot_format", ["BINARYPROTO", "HDF5"])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_resumed_training_gives_the_same_weights_to_the_bit(
    make_solver: MakeSolver, kind: str, snapshot_format: str
) -> None:
    """Dropout, cropping, mirroring, the order of records and of test records, the history."""
    changes = f"type: '{kind}' snapshot_format: {snapshot_format} max_iter: 9"
    straight = make_solver(changes)
    straight.step(9)
    first = make_solver(changes)
    first.step(5)
    first.snapshot()
    resumed = make_solver(changes)
    suffix = ".h5" if snapshot_format == "HDF5" else ""
    resumed.restore(f"snap_iter_5.solverstate{suffix}")
    assert resumed.iter == 5
    resumed.step(4)
    assert_equal(straight, resumed)
    for solver in (straight, resumed):
        solver.test_nets[0].share_with(solver.net)
    np.testing.assert_array_equal(
        *(solver.test_nets[0].forward()["loss"] for solver in (straight, resumed))
    )


def test_without_our_file_a_resumed_training_starts_at_the_first_record(
    make_solver: MakeSolver,
) -> None:
    solver = make_solver()
    solver.step(5)
    solver.snapshot()
    os.remove("snap_iter_5.resume")
    resumed = make_solver()
    resumed.restore("snap_iter_5.solverstate")
    assert resumed.iter == 5
    resumed.net.forward()
    assert resumed.net.blobs["label"].data.tolist() == [0, 1, 2, 3]


def test_a_snapshot_that_was_moved_finds_its_weights_beside_it(
    make_solver: MakeSolver, folder: Path
) -> None:
    solver = make_solver()
    solver.step(2)
    solver.snapshot()
    (folder / "moved").mkdir()
    for name in ("solverstate", "caffemodel"):
        os.rename(f"snap_iter_2.{name}", f"moved/snap_iter_2.{name}")
    resumed = make_solver()
    resumed.restore("moved/snap_iter_2.solverstate")
    assert_equal(solver, resumed)


# ------------------------------------------------------------------ when things happen


def test_stop_and_snapshot_are_obeyed_between_iterations(make_solver: MakeSolver) -> None:
    asked = iter([Action.NONE, Action.SNAPSHOT, Action.NONE, Action.STOP])
    solver = make_solver("test_interval: 100", action=lambda: next(asked, Action.NONE))
    solver.test_nets.clear()
    solver.solve()
    assert solver.iter == 4
    assert sorted(path.name for path in Path().glob("*.solverstate")) == [
        "snap_iter_2.solverstate",
        "snap_iter_4.solverstate",
    ]


def test_a_stop_during_a_test_ends_the_training_before_its_iteration(
    make_solver: MakeSolver,
) -> None:
    asked = iter([Action.STOP])
    solver = make_solver(action=lambda: next(asked, Action.NONE))
    solver.solve()
    assert solver.iter == 0


def test_test_initialization_can_be_left_out(
    make_solver: MakeSolver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "digits.caffe"):
        make_solver("test_initialization: false test_compute_loss: true").step(5)
    lines = [record.getMessage() for record in caplog.records]
    assert "Iteration 4, Testing net (#0)" in lines
    assert "Iteration 0, Testing net (#0)" not in lines
    assert any(line.startswith("Test loss: ") for line in lines)


def test_progress_is_told_every_iteration(make_solver: MakeSolver) -> None:
    told: list[int] = []
    make_solver(progress=told.append).step(3)
    assert told == [1, 2, 3]


def test_no_test_iterations_are_no_test(
    make_solver: MakeSolver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    solver = make_solver("test_iter: 0 test_interval: 1 test_compute_loss: true")
    solver.step(2)
    assert solver.iter == 2
    assert not [line for line in caplog.messages if "Test net output" in line]


def test_lr_is_the_rate_of_the_coming_update(make_solver: MakeSolver) -> None:
    solver = make_solver("base_lr: 0.1 lr_policy: 'step' stepsize: 2 gamma: 0.5")
    seen = [solver.lr]
    for _ in range(4):
        solver.step(1)
        seen.append(solver.lr)
    # As real Caffe answers: float32.
    assert seen == [
        0.10000000149011612,
        0.10000000149011612,
        0.05000000074505806,
        0.05000000074505806,
        0.02500000037252903,
    ]


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ("type: 'Newton'", SolverError, "Unknown solver type: Newton"),
        ("average_loss: 0", SolverError, "average_loss must be 1 or more, received 0"),
        ("iter_size: 0", SolverError, "iter_size must be 1 or more, received 0"),
        ("test_iter: -1", SolverError, "test_iter must be 0 or more, received -1"),
        ("test_interval: 0", SolverError, "test_interval must be above 0"),
        ("train_net: 'net.prototxt'", SolverError, "must specify one train net .* net, train_net"),
        ("test_state {} test_state {}", SolverError, "test_state must be unspecified or specified"),
        ("test_net: 'a' test_net: 'b'", CaffeError, "a: cannot be read"),
        ("weights: 'gone.caffemodel'", WeightsError, "gone.caffemodel"),
        ("snapshot: 5 snapshot_prefix: 'gone/snap'", SolverError, "Cannot write to snapshot pre"),
        ("net: 'gone.prototxt'", CaffeError, "gone.prototxt: cannot be read"),
    ],
)
def test_settings_that_cannot_be_used(
    make_solver: MakeSolver, changes: str, error: type[CaffeError], words: str
) -> None:
    with pytest.raises(error, match=words):
        make_solver(changes)


def test_a_solver_without_a_net_is_an_error() -> None:
    with pytest.raises(SolverError, match="one of these fields: .*received none of them"):
        get_solver(SolverParameter(base_lr=1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("lr_policy: 'warm'", "Unknown learning rate policy: warm"),
        ("regularization_type: 'L3'", "Unknown regularization type: L3"),
    ],
)
def test_what_is_found_wrong_at_the_first_update(
    make_solver: MakeSolver, changes: str, words: str
) -> None:
    solver = make_solver(changes)
    with pytest.raises(SolverError, match=words):
        solver.step(1)


@pytest.mark.parametrize("keep_blobs", [True, False])
def test_a_nan_loss_names_the_iteration(make_solver: MakeSolver, keep_blobs: bool) -> None:
    solver = make_solver(keep_blobs=keep_blobs)
    solver.step(2)
    with torch.no_grad():
        solver.net.learnable_params[0].fill_(float("nan"))
    with pytest.raises(SolverError, match="the loss is nan in iteration 2"):
        solver.step(1)
    assert solver.iter == 2


def test_a_nan_loss_is_allowed_when_asked_for(make_solver: MakeSolver) -> None:
    solver = make_solver(allow_nan=True)
    with torch.no_grad():
        solver.net.learnable_params[0].fill_(float("nan"))
    solver.step(2)
    assert solver.iter == 2


def test_a_state_of_another_net_or_solver_is_refused(make_solver: MakeSolver) -> None:
    solver = make_solver()
    solver.snapshot()
    with pytest.raises(SolverError, match="the solver state has 4, this net .* Adam needs 8"):
        make_solver("type: 'Adam'").restore("snap_iter_0.solverstate")
    text = Path("net.prototxt").read_text()
    Path("net.prototxt").write_text(text.replace("num_output: 4", "num_output: 5"))
    with pytest.raises(WeightsError, match="shape mismatch"):
        make_solver().restore("snap_iter_0.solverstate")
    os.remove("snap_iter_0.caffemodel")
    with pytest.raises(SolverError, match="neither there .* nor beside it"):
        make_solver().restore("snap_iter_0.solverstate")


def test_labels_beyond_the_outputs_are_named(make_solver: MakeSolver) -> None:
    text = Path("net.prototxt").read_text()
    Path("net.prototxt").write_text(text.replace("num_output: 10", "num_output: 3"))
    solver = make_solver("test_initialization: false")
    with pytest.raises(CaffeError, match=r"layer 'loss' \(SoftmaxWithLoss\).*label"):
        solver.step(1)


def test_a_record_that_does_not_fit_ends_the_training(
    folder: Path, make_solver: MakeSolver, make_database: MakeDatabase
) -> None:
    source = make_database([picture(0), picture(1), picture(2, 4, 4)], name="uneven")
    Path("net.prototxt").write_text(NET.format(source=source))
    solver = make_solver("test_initialization: false")
    with pytest.raises(DataError, match="'00000002': crop_size 5 is larger"):
        solver.step(1)


def test_a_snapshot_into_a_folder_that_went_away_is_an_error(make_solver: MakeSolver) -> None:
    solver = make_solver("snapshot_prefix: 'gone/snap'")
    with pytest.raises(CaffeError, match="gone"):
        solver.snapshot()


def test_a_net_without_a_database_closes_what_was_opened(
    folder: Path, make_solver: MakeSolver
) -> None:
    text = Path("net.prototxt").read_text()
    Path("net.prototxt").write_text(text.replace("num_output: 10", "num_output: 0"))
    with pytest.raises(NetError, match="num_output"):
        make_solver()
    assert not db._opened
