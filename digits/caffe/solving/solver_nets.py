"""Which nets a solver has: one for training, any number for testing.

In: a SolverParameter.  Out: NetParameters, each with the state (phase, level, stages) that it is to
be built in.  Source: Solver::InitTrainNet and Solver::InitTestNets in solver.cpp.
Elsewhere: building a net from its message (`net.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from digits.caffe.errors import SolverError
from digits.caffe.formats import upgrade
from digits.caffe.machine.log import at
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import NetParameter, NetState, SolverParameter

log = logging.getLogger(__name__)

_TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")
_TRAIN_REMARKS = {
    "train_net_param": (88, "Creating training net specified in train_net_param."),
    "train_net": (92, "Creating training net from train_net file: {}"),
    "net_param": (97, "Creating training net specified in net_param."),
    "net": (102, "Creating training net from net file: {}"),
}


@dataclass(frozen=True)
class NetToTest:
    """A net to test with, and what the log calls its source."""

    param: NetParameter
    source: str


def net_to_train(solver: SolverParameter) -> NetParameter:
    """The net to train.  Raises SolverError unless exactly one is named."""
    named = [name for name in _TRAIN_FIELDS if solver.HasField(name)]
    if len(named) != 1:
        raise SolverError(
            "SolverParameter must specify one train net using one of these fields: "
            f"{', '.join(_TRAIN_FIELDS)}; received {', '.join(named) or 'none of them'}"
        )
    line, remark = _TRAIN_REMARKS[named[0]]
    log.info("%s", remark.format(getattr(solver, named[0])), extra=at(f"solver.cpp:{line}"))
    return _in_state(_read(solver, named[0]), caffe_pb2.TRAIN, solver.train_state)


def nets_to_test(solver: SolverParameter) -> list[NetToTest]:
    """The nets to test: those that are named, then the common net for each test_iter that is left.

    Raises SolverError unless there is one test_iter a net, one test_state a net or none, and a
    test_interval if there are nets.
    """
    nets = [NetToTest(_copy(param), "test_net_param") for param in solver.test_net_param]
    nets += [
        NetToTest(upgrade.read_net(path), f"test_net file: {path}") for path in solver.test_net
    ]
    common = next((name for name in ("net_param", "net") if solver.HasField(name)), None)
    left = len(solver.test_iter) - len(nets)
    if left < 0 or (left > 0 and common is None):
        raise SolverError(
            f"test_iter must be specified for each test network; {len(nets)} are named, but "
            f"test_iter is given {len(solver.test_iter)} times"
        )
    for _ in range(left):
        assert common is not None  # noqa: S101  # checked above
        source = "net_param" if common == "net_param" else f"net file: {solver.net}"
        nets.append(NetToTest(_read(solver, common), source))
    _check(solver, len(nets))
    for index, net in enumerate(nets):
        state = solver.test_state[index] if solver.test_state else NetState()
        _in_state(net.param, caffe_pb2.TEST, state)
    return nets


def _check(solver: SolverParameter, nets: int) -> None:
    if solver.test_state and len(solver.test_state) != nets:
        raise SolverError(
            "test_state must be unspecified or specified once per test net; there are "
            f"{nets} test nets and {len(solver.test_state)} test_state"
        )
    if nets and solver.test_interval <= 0:
        raise SolverError(
            f"test_interval must be above 0 where there is a test net, received "
            f"{solver.test_interval}; set it, or remove test_iter"
        )


def _read(solver: SolverParameter, field: str) -> NetParameter:
    value = getattr(solver, field)
    if isinstance(value, str):
        return upgrade.read_net(value)
    return _copy(value)


def _copy(param: NetParameter) -> NetParameter:
    copied = NetParameter()
    copied.CopyFrom(param)
    return copied


def _in_state(net: NetParameter, phase: caffe_pb2.Phase, asked: NetState) -> NetParameter:
    """Put the state into the net: the phase, what the net says itself, what the solver asks."""
    state = NetState(phase=phase)
    state.MergeFrom(net.state)
    state.MergeFrom(asked)
    net.state.CopyFrom(state)
    return net
