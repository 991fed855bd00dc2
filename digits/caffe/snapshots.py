"""Write a solver's snapshots, and go on from one.

A snapshot is three files: PREFIX_iter_N.caffemodel (weights), .solverstate (iteration and history),
both as Caffe has them, and .resume, our own (`resume.py`).  The solver state is complete when it is
there: it is written after the weights, and each file whole or not at all.
Source: Solver::Snapshot and Restore in solver.cpp, sgd_solver.cpp.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from digits.caffe.errors import SolverError
from digits.caffe.log import at
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.resume import read_resume, write_resume
from digits.caffe.snapshot import SolverState, is_hdf5, read_state, write_state

if TYPE_CHECKING:
    from digits.caffe.solver import Solver

log = logging.getLogger(__name__)


def take_snapshot(solver: Solver) -> None:
    """Write all three files; every process of a group calls this, and rank 0 writes.

    Raises WeightsError or SolverError if one cannot be written.
    """
    states = solver.group.gather(_running_state(solver))
    if not solver.group.is_root:
        return
    param = solver.param
    hdf5 = param.snapshot_format == SolverParameter.HDF5
    stem = f"{param.snapshot_prefix}_iter_{solver.iter}"
    weights_path = _save_weights(solver.net, stem, param.snapshot_diff, hdf5)
    state_path = f"{stem}.solverstate{'.h5' if hdf5 else ''}"
    log.info(
        "Snapshotting solver state to %s file %s",
        "HDF5" if hdf5 else "binary proto",
        state_path,
        extra=at(f"sgd_solver.cpp:{296 if hdf5 else 284}"),
    )
    state = SolverState(solver.iter, weights_path, solver.current_step, solver.updater.history())
    write_state(state_path, state)
    write_resume(state_path, {"iter": solver.iter, "ranks": states})


def restore_snapshot(solver: Solver, path: str) -> None:
    """Go on from a solver state.

    Raises SolverError or WeightsError for files that are missing, damaged or of another net.
    """
    state = read_state(path)
    if state.learned_net:
        solver.net.copy_from(_find_weights(state.learned_net, path))
    if not is_hdf5(path):
        log.info("SGDSolver: restoring history", extra=at("sgd_solver.cpp:336"))
    solver.updater.restore(state.history)
    solver.iter, solver.current_step = state.iteration, state.current_step
    _restore_running_state(solver, path)


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


def _running_state(solver: Solver) -> dict[str, Any]:
    nets = [solver.net, *solver.test_nets]
    return {"nets": [_layer_states(net) for net in nets], "random": solver.random.state()}


def _layer_states(net: Net) -> dict[str, Any]:
    states = {layer.name: layer.state() for layer in net.engine_layers}
    return {name: state for name, state in states.items() if state}


def _restore_running_state(solver: Solver, path: str) -> None:
    found = read_resume(path)
    if found is None or len(found["ranks"]) != solver.group.size:
        log.info("%s has no usable resume file: data starts at the first record", path)
        return
    mine = found["ranks"][solver.group.rank]
    for net, states in zip([solver.net, *solver.test_nets], mine["nets"], strict=False):
        for layer in net.engine_layers:
            if layer.name in states:
                layer.restore(states[layer.name])
    solver.random.restore(mine["random"])
