"""Upgrade an old net prototxt: `python -m digits.caffe.tools.upgrade_net_proto_text IN OUT`.

Source: upgrade_net_proto_text.cpp.
"""

from __future__ import annotations

import sys

from digits.caffe.formats import prototxt, upgrade
from digits.caffe.tools.program import Program
from digits.caffe.tools.upgrades import Upgrade

UPGRADE = Upgrade(
    kind="NetParameter text proto",
    read=prototxt.read_net,
    is_old=upgrade.needs_upgrade,
    upgrade=upgrade.upgrade_net,
    write=prototxt.write_text,
)
PROGRAM = Program(
    "tools/upgrade_net_proto_text.cpp",
    "Usage: upgrade_net_proto_text v0_net_proto_file_in net_proto_file_out",
    {},
    range(2, 3),
    UPGRADE.run,
)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
