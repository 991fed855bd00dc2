"""Our own file beside a solver state, JSON: what Caffe's files lack.

Where the data layers are, what recurrent layers remember, the random generators.

In: the states of layers and generators, plain values and arrays.  Out: a file that belongs to one
solver state: it holds that file's checksum, and is not used with another.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from digits.caffe.errors import SolverError
from digits.caffe.formats.files import written_whole

FORMAT = 1
SUFFIX = ".resume"


def resume_path(state_path: str) -> str:
    """The name of the resume file for a `.solverstate` or `.solverstate.h5`."""
    return state_path.removesuffix(".h5").removesuffix(".solverstate") + SUFFIX


def write_resume(state_path: str, content: dict[str, Any]) -> None:
    """Write the resume file of the solver state that lies at `state_path`.

    Raises SolverError if that fails.
    """
    document = {"format": FORMAT, "solverstate": _checksum(state_path), **content}
    path = resume_path(state_path)
    try:
        with written_whole(path) as part:
            Path(part).write_text(json.dumps(document, default=_encode))
    except OSError as error:
        raise SolverError(f"{path}: cannot write what a resumed training needs: {error}") from error


def read_resume(state_path: str) -> dict[str, Any] | None:
    """What was written for this solver state; None if there is nothing, or it is of another one.

    Raises SolverError for a file that is damaged or of a newer format.
    """
    path = Path(resume_path(state_path))
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(), object_hook=_decode)
        if document["format"] > FORMAT:
            raise ValueError(f"its format {document['format']} is newer than {FORMAT}")
        belongs = document["solverstate"] == _checksum(state_path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SolverError(
            f"{path}: cannot be used to resume: {error}; remove it to resume as Caffe does, "
            "at the first record"
        ) from error
    return document if belongs else None


def _checksum(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encode(value: object) -> dict[str, Any]:
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(f"cannot store {type(value).__name__}")
    return {
        "array": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
        "dtype": array.dtype.str,
        "shape": list(array.shape),
    }


def _decode(value: dict[str, Any]) -> Any:
    if set(value) != {"array", "dtype", "shape"}:
        return value
    data = base64.b64decode(value["array"])
    return np.frombuffer(data, value["dtype"]).reshape(value["shape"]).copy()
