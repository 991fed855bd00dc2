"""Find the recordings of BVLC Caffe 1.0 that lie in `data/`: one folder a group, one entry a case.

`data/README.md` says what the groups hold.  A file that would be over a megabyte is kept in pieces
(`NAME.00`, `NAME.01`, ...); `recorded_file` puts them together in a temporary folder.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Case:
    """One recording: its group ("layers", "nets"), name, and entry of the group's index."""

    group: str
    name: str
    facts: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where relative paths inside the case's prototxt start."""
        return DATA / self.group

    def file(self, key: str) -> Path:
        """The file that the index names under `key` ("prototxt", "caffemodel", "expected")."""
        return recorded_file(f"{self.group}/{self.facts[key]}")

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays of the case's npz, by key ("out.conv1", "indiff.data", ...)."""
        return recorded_arrays(f"{self.group}/{self.facts['npz']}")


def cases(group: str) -> list[Case]:
    """All cases of a group, in the order of its index."""
    index = json.loads((DATA / group / "index.json").read_text())
    return [Case(group, name, facts) for name, facts in index.items()]


def recorded_file(name: str) -> Path:
    """The path of a file below `data/`, put together first if it is kept in pieces."""
    path = DATA / name
    return path if path.exists() else _joined(name)


@cache
def recorded_arrays(name: str) -> dict[str, np.ndarray]:
    """The arrays of an npz file below `data/`."""
    with np.load(recorded_file(name)) as arrays:
        return dict(arrays)


@cache
def _scratch() -> Path:
    folder = tempfile.mkdtemp(prefix="golden-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def _joined(name: str) -> Path:
    pieces = sorted((DATA / name).parent.glob(f"{Path(name).name}.[0-9][0-9]"))
    if not pieces:
        raise FileNotFoundError(DATA / name)
    joined = _scratch() / name
    joined.parent.mkdir(parents=True, exist_ok=True)
    joined.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    return joined
