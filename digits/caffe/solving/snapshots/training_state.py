"""Where a training is: written as the three files of a snapshot, and put back from them.

In: a `TrainingState`, which the solver hands over.  Out: files; restoring a snapshot gives its
iteration back.
Source: Solver::Snapshot and Restore in solver.cpp, sgd_solver.cpp.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from digits.caffe.errors import SolverError
from digits.caffe.machine.log import at
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.parallel import Group
from digits.caffe.solving.snapshots.resume_file import read_resume, write_resume
from digits.caffe.solving.snapshots.state_file import (
    SolverState,
    is_named_hdf5,
    read_state,
    write_state,
)
from digits.caffe.solving.updater import Updater

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingState:
    """Where a training is: its nets, the history of its updates, its random numbers."""

    param: SolverParameter
    net: Net
    test_nets: Sequence[Net]
    updater: Updater
    random: Randomness
    group: Group
    iteration: int
    step: int  # of the learning-rate policy

    @property
    def nets(self) -> list[Net]:
        return [self.net, *self.test_nets]


def take_snapshot(state: TrainingState) -> None:
    """Write all three files; every process of a group calls this, and rank 0 writes.

    Raises WeightsError or SolverError if one cannot be written.
    """
    running = state.group.gather(_running_state(state))
    if not state.group.is_root:
        return
    param = state.param
    hdf5 = param.snapshot_format == SolverParameter.HDF5
    stem = f"{param.snapshot_prefix}_iter_{state.iteration}"
    weights_path = _save_weights(state.net, stem, param.snapshot_diff, hdf5)
    state_path = f"{stem}.solverstate{'.h5' if hdf5 else ''}"
    log.info(
        "Snapshotting solver state to %s file %s",
        "HDF5" if hdf5 else "binary proto",
        state_path,
        extra=at(f"sgd_solver.cpp:{296 if hdf5 else 284}"),
    )
    history = state.updater.history()
    write_state(state_path, SolverState(state.iteration, weights_path, state.step, history))
    write_resume(state_path, {"iter": state.iteration, "ranks": running})


def restore_snapshot(state: TrainingState, path: str) -> tuple[int, int]:
    """Put a solver state into the nets and their updates; answers its iteration and step.

    Raises SolverError or WeightsError for files that are missing, damaged or of another net.
    """
    found = read_state(path)
    if found.learned_net:
        state.net.copy_from(_find_weights(found.learned_net, path))
    if not is_named_hdf5(path):
        log.info("SGDSolver: restoring history", extra=at("sgd_solver.cpp:336"))
    state.updater.restore(found.history)
    _restore_running_state(state, path)
    return found.iteration, found.current_step


def _save_weights(net: Net, stem: str, diffs: bool, hdf5: bool) -> str:
    if hdf5:
        path = f"{stem}.caffemodel.h5"
        log.info("Snapshotting to HDF5 file %s", path, extra=at("solver.cpp:474"))
        net.save_hdf5(path, diffs=diffs)
    else:
        path = f"{stem}.caffemodel"
        log.info("Snapshotting to binary proto file %s", path, extra=at("solver.cpp:464"))
        net.save(path, diffs=diffs)
    return path


def _find_weights(name: str, state_path: str) -> str:
    """The weights file that a state names; a copied snapshot has it beside the state."""
    if os.path.exists(name):
        return name
    beside = os.path.join(os.path.dirname(state_path), os.path.basename(name))
    if os.path.exists(beside):
        return beside
    raise SolverError(
        f"{state_path} names the weights {name!r}, which are neither there (working directory: "
        f"{os.getcwd()}) nor beside it as {beside!r}"
    )


def _running_state(state: TrainingState) -> dict[str, Any]:
    return {"nets": [_layer_states(net) for net in state.nets], "random": state.random.state()}


def _layer_states(net: Net) -> dict[str, Any]:
    states = {layer.name: layer.state() for layer in net.engine_layers}
    return {name: state for name, state in states.items() if state}


def _restore_running_state(state: TrainingState, path: str) -> None:
    found = read_resume(path)
    if found is None or len(found["ranks"]) != state.group.size:
        log.info("%s has no usable resume file: data starts at the first record", path)
        return
    mine = found["ranks"][state.group.rank if state.group.size > 1 else 0]
    for net, states in zip(state.nets, mine["nets"], strict=False):
        for layer in net.engine_layers:
            if layer.name in states:
                layer.restore(states[layer.name])
    state.random.restore(mine["random"])
