"""The snapshots of a training on disk: weights to use, solver states to go on from.

Weights are `snapshot_iter_N.caffemodel`, states `snapshot_iter_N.solverstate`, both perhaps with
`.h5` behind.  Our engine writes `snapshot_iter_N.resume` beside a state.
"""

from __future__ import annotations

import contextlib
import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from digits.base.job_files import open_file
from digits.caffe.formats import wire
from digits.caffe.proto.caffe_pb2 import SolverState
from digits.model.training.solver import SNAPSHOT_PREFIX

_STATE = re.compile(rf"{SNAPSHOT_PREFIX}_iter_(\d+)\.(?:solverstate(?:\.h5)?|resume)")
# The last field of a solver state, of ours as of real Caffe's.
_CURRENT_STEP = SolverState.CURRENT_STEP_FIELD_NUMBER
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HDF5_HEAD_BYTES = 48
_WEIGHTS = re.compile(rf"{SNAPSHOT_PREFIX}_iter_(\d+)\.caffemodel(?:\.h5)?")


def snapshot_weights(job_dir: Path) -> dict[int, Path]:
    """The weights by iteration, oldest first."""
    return dict(sorted(_numbered(job_dir, _WEIGHTS)))


def newest_state(job_dir: Path) -> Path | None:
    """The solver state with the most iterations that is whole, and whose weights are there too."""
    weights = snapshot_weights(job_dir)
    states = [
        (iteration, path)
        for iteration, path in _numbered(job_dir, _STATE)
        if iteration in weights and path.suffix != ".resume"
    ]
    return next((path for _, path in sorted(states, reverse=True) if is_whole(path)), None)


def state_iterations(job_dir: Path) -> set[int]:
    """The iterations that have a solver state, whole or not."""
    return {iteration for iteration, _ in _numbered(job_dir, _STATE)}


def remove_snapshot(job_dir: Path, iteration: int) -> None:
    """Remove the weights of an iteration, and its state; OSError when they stay."""
    for pattern in (_STATE, _WEIGHTS):
        for number, path in list(_numbered(job_dir, pattern)):
            if number == iteration:
                path.unlink(missing_ok=True)


def remove_old_states(job_dir: Path) -> None:
    """Remove the states before the newest whole one: only that is ever needed; they are large."""
    newest = newest_state(job_dir)
    if newest is None:
        return
    numbered = list(_numbered(job_dir, _STATE))
    last = next(number for number, path in numbered if path == newest)
    for number, path in numbered:
        if number < last:
            with contextlib.suppress(OSError):
                path.unlink()


def _numbered(job_dir: Path, pattern: re.Pattern[str]) -> Iterator[tuple[int, Path]]:
    with contextlib.suppress(OSError):
        for path in job_dir.iterdir():
            if match := pattern.fullmatch(path.name):
                yield int(match[1]), path


def is_whole(path: Path) -> bool:
    """Whether a solver state was written to its end; a copied folder may hold half of one."""
    try:
        with open_file(path) as file:
            if path.suffix == ".h5":
                return _hdf5_bytes(file.read(_HDF5_HEAD_BYTES)) <= path.stat().st_size
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            *_, last = (field.number for field in wire.fields(content))
            return last == _CURRENT_STEP
    except (OSError, ValueError, struct.error):
        return False


def _hdf5_bytes(head: bytes) -> int:
    """How long an HDF5 file says that it is.  Raises ValueError or struct.error for others.

    Source: the superblock, versions 0 to 3, in HDF5's file format specification.
    """
    if not head.startswith(_HDF5_SIGNATURE):
        raise ValueError("no HDF5 file")
    (size,) = struct.unpack_from("<Q", head, 40 if head[8] < 2 else 28)
    return int(size)
