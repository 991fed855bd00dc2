"""Upgrade an old solver prototxt: `python -m digits.caffe.tools.upgrade_solver_proto_text IN OUT`.

Source: upgrade_solver_proto_text.cpp.
"""

from __future__ import annotations

import sys

from digits.caffe.formats import prototxt, upgrade
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.tools.program import Program
from digits.caffe.tools.upgrades import Upgrade


def _upgrade(solver: SolverParameter, source: str) -> bool:
    upgrade.upgrade_solver(solver, source)
    return True


UPGRADE = Upgrade(
    kind="SolverParameter text proto",
    read=prototxt.read_solver,
    is_old=lambda solver: solver.HasField("solver_type"),
    upgrade=_upgrade,
    write=prototxt.write_text,
)
PROGRAM = Program(
    "tools/upgrade_solver_proto_text.cpp",
    "Usage: upgrade_solver_proto_text old_solver_proto_file_in solver_proto_file_out",
    {},
    range(2, 3),
    UPGRADE.run,
)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
