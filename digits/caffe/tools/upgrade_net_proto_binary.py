"""Upgrade old binary weights: `python -m digits.caffe.tools.upgrade_net_proto_binary IN OUT`.

Source: upgrade_net_proto_binary.cpp.
"""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf.message import DecodeError

from digits.caffe.errors import WeightsError
from digits.caffe.formats import upgrade
from digits.caffe.formats.files import written_whole
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.caffe.tools.program import Program
from digits.caffe.tools.upgrades import Upgrade


def _read(path: str) -> NetParameter:
    try:
        return NetParameter.FromString(Path(path).read_bytes())
    except (OSError, DecodeError) as error:
        raise WeightsError(f"{path}: {error}") from error


def _write(path: str, net: NetParameter) -> None:
    try:
        with written_whole(path) as part:
            Path(part).write_bytes(net.SerializeToString())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written: {error}") from error


UPGRADE = Upgrade(
    kind="NetParameter binary proto",
    read=_read,
    is_old=upgrade.needs_upgrade,
    upgrade=upgrade.upgrade_net,
    write=_write,
)
PROGRAM = Program(
    "tools/upgrade_net_proto_binary.cpp",
    "Usage: upgrade_net_proto_binary v0_net_proto_file_in net_proto_file_out",
    {},
    range(2, 3),
    UPGRADE.run,
)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
