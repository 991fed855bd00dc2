"""A solver's settings: read from a prototxt and completed as Caffe completes them.

Source: ReadSolverParamsFromTextFileOrDie and UpgradeSnapshotPrefixProperty in upgrade_proto.cpp.
Elsewhere: old solver types (`formats/upgrade.py`), the nets that a solver names (`solver_nets.py`).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from digits.caffe.errors import SolverError
from digits.caffe.formats import upgrade
from digits.caffe.machine.log import at
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.updates import RULES

log = logging.getLogger(__name__)

Source = str | os.PathLike[str] | SolverParameter


def settings_of(source: Source, rule: str | None) -> SolverParameter:
    """A copy of the settings, or those in a file; their type becomes `rule` unless that is None.

    Raises PrototxtError or SolverError, the latter for an unknown type.
    """
    param = SolverParameter()
    param.CopyFrom(source if isinstance(source, SolverParameter) else read_solver_param(source))
    if rule is not None and param.type != rule:
        param.type = rule
    if param.type not in RULES:
        raise SolverError(
            f"Unknown solver type: {param.type} "
            f"(known types: {', '.join(sorted(RULES, key=str.lower))})"
        )
    return param


def read_solver_param(path: str | os.PathLike[str]) -> SolverParameter:
    """The settings in a file; snapshots are named like it unless `snapshot_prefix` is a name.

    Raises PrototxtError or SolverError.
    """
    param = upgrade.read_solver(Path(path))
    stem = Path(path).with_suffix("")
    if not param.HasField("snapshot_prefix"):
        param.snapshot_prefix = str(stem)
        log.info(
            "snapshot_prefix was not specified and is set to %s",
            param.snapshot_prefix,
            extra=at("upgrade_proto.cpp:1108"),
        )
    elif os.path.isdir(param.snapshot_prefix):
        param.snapshot_prefix = os.path.join(param.snapshot_prefix, stem.name)
        log.info(
            "snapshot_prefix was a directory and is replaced to %s",
            param.snapshot_prefix,
            extra=at("upgrade_proto.cpp:1113"),
        )
    return param


def check_solver_param(param: SolverParameter) -> None:
    """Raise SolverError for numbers that no training can have, and for snapshots without a place.

    What depends on the update rule or the learning-rate policy is checked there.
    """
    for name, least in (("average_loss", 1), ("iter_size", 1), ("max_iter", 0), ("snapshot", 0),
                        ("display", 0), ("test_interval", 0), ("lr_warmup", 0)):  # fmt: skip
        value = getattr(param, name)
        if value < least:
            raise SolverError(f"{name} must be {least} or more, received {value}")
    for count in param.test_iter:
        if count < 0:
            raise SolverError(f"test_iter must be 0 or more, received {count}")
    if param.snapshot:
        _check_snapshots_can_be_written(param)


def _check_snapshots_can_be_written(param: SolverParameter) -> None:
    """Find out now, not after hours of training."""
    if not param.HasField("snapshot_prefix"):
        raise SolverError("In solver params, snapshot is specified but snapshot_prefix is not")
    # Of this process alone: all processes of a team look, and each removes its own.
    probe = f"{param.snapshot_prefix}_iter_0.{os.getpid()}.tempfile"
    try:
        with open(probe, "wb"):
            pass
        os.remove(probe)
    except OSError as error:
        raise SolverError(
            f"Cannot write to snapshot prefix '{param.snapshot_prefix}'.  Make sure that the "
            f"directory exists and is writeable. ({error.strerror})"
        ) from error
