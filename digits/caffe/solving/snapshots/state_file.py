"""The file of a solver state, binary or HDF5, which real Caffe reads and writes.

In: a `SolverState`.  Out: a file.
A state has the iteration, the name of its weights file, the step of the learning-rate policy and
the history of the update rule: one array a learnable parameter, for AdaDelta and Adam a second
list of them after the first.
Source: sgd_solver.cpp, SolverState in caffe.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from digits.caffe.errors import SolverError
from digits.caffe.formats.files import written_whole
from digits.caffe.proto import caffe_pb2

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SolverState:
    """What a `.solverstate` holds; `learned_net` is the weights file as it was named then."""

    iteration: int
    learned_net: str
    current_step: int
    history: list[Floats] = field(default_factory=list)


def is_named_hdf5(path: str) -> bool:
    """Whether Caffe takes a solver state of this name for HDF5; of weights it reads the content."""
    return path.endswith(".h5")


def write_state(path: str, state: SolverState) -> None:
    """Write a state, HDF5 if the name says so.  Raises SolverError if that fails."""
    try:
        with written_whole(path) as part:
            (_write_hdf5 if is_named_hdf5(path) else _write_binary)(part, state)
    except OSError as error:
        raise SolverError(f"{path}: cannot write the solver state: {error}") from error


def read_state(path: str) -> SolverState:
    """Read a state.  Raises SolverError if there is none, or it is cut or something else."""
    if not Path(path).is_file():
        raise SolverError(f"{path}: there is no such solver state; --snapshot must name one")
    try:
        return (_read_hdf5 if is_named_hdf5(path) else _read_binary)(path)
    except (OSError, DecodeError, KeyError, ValueError) as error:
        raise SolverError(
            f"{path}: this is no solver state, or a part of it is missing: {error}"
        ) from error


def _write_binary(path: str, state: SolverState) -> None:
    head = caffe_pb2.SolverState(iter=state.iteration, learned_net=state.learned_net)
    tail = caffe_pb2.SolverState(current_step=state.current_step)
    with open(path, "wb") as file:
        file.write(head.SerializeToString())
        for array in state.history:
            file.writelines(_blob_field(array))
        file.write(tail.SerializeToString())


def _blob_field(array: Floats) -> Iterator[bytes | memoryview]:
    """A `history` field with its BlobProto, without a copy of the numbers in between.

    Protobuf's own way, a Python list of floats, takes seconds for a large net.
    """
    data = np.ascontiguousarray(array, "<f4")
    shape = caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=array.shape)).SerializeToString()
    packed = _key(caffe_pb2.BlobProto.DATA_FIELD_NUMBER) + _varint(data.nbytes)
    yield _key(caffe_pb2.SolverState.HISTORY_FIELD_NUMBER)
    yield _varint(len(packed) + data.nbytes + len(shape))
    yield packed
    yield data.reshape(-1).view(np.uint8).data
    yield shape


def _key(number: int) -> bytes:
    """The tag of a length-delimited field."""
    return _varint(number << 3 | 2)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_binary(path: str) -> SolverState:
    message = caffe_pb2.SolverState.FromString(Path(path).read_bytes())
    if not message.HasField("iter"):
        raise ValueError("it has no iteration")
    return SolverState(
        message.iter,
        message.learned_net,
        message.current_step,
        [_array(blob) for blob in message.history],
    )


def _array(blob: caffe_pb2.BlobProto) -> Floats:
    values = np.array(blob.data if len(blob.data) else blob.double_data, np.float32)
    shape: Sequence[int] = blob.shape.dim
    if not blob.HasField("shape"):
        shape = (blob.num, blob.channels, blob.height, blob.width)
    return values.reshape(tuple(shape))


def _write_hdf5(path: str, state: SolverState) -> None:
    import h5py  # noqa: PLC0415  # slow to load, and few solvers write HDF5

    with h5py.File(path, "w") as file:
        file["iter"] = np.array([state.iteration], np.int32)
        # H5LTmake_dataset_string's type: the text and a zero.
        file["learned_net"] = np.bytes_(state.learned_net.encode() + b"\0")
        file["current_step"] = np.array([state.current_step], np.int32)
        history = file.create_group("history")
        for index, array in enumerate(state.history):
            history[str(index)] = array


def _read_hdf5(path: str) -> SolverState:
    import h5py  # noqa: PLC0415  # slow to load, and few solvers write HDF5

    with h5py.File(path) as file:
        history = file["history"]
        return SolverState(
            int(file["iter"][0]),
            bytes(file["learned_net"][()]).rstrip(b"\0").decode() if "learned_net" in file else "",
            int(file["current_step"][0]),
            [np.asarray(history[str(i)], np.float32) for i in range(len(history))],
        )
