"""The weights of a new pretrained model: an upload, a file of the server, or an address.

In: what the form says.  Out: a .caffemodel, binary or HDF5, in a folder beside the jobs, which a
job takes by another name; or FormError at the field that is wrong.  What PyTorch wrote is read by a
program of its own, with limited memory (`digits/tools/torchvision_weights.py`), and what lies
elsewhere is fetched by one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from digits.base.job_files import open_file, read_text
from digits.errors import FormError
from digits.jobs.store import JobStore
from digits.model.images.classification.pretrained.forms import CAFFE, PYTORCH, STATE_DICTS
from digits.model.images.classification.upload.contents import FOREIGN
from digits.tools.torchvision_networks import NETWORKS, TorchvisionNetwork
from digits.web.answers import in_thread

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# A zip, and a pickle of the protocol that PyTorch has.
PICKLES = (b"PK\x03\x04", b"\x80\x02")
ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
BINARY_NAME, HDF5_NAME = "weights.caffemodel", "weights.caffemodel.h5"
READ_S = 600.0
FETCH_S = 900.0
_ERROR = re.compile(r"\[ERROR\] Error: (.*)")


@dataclass(frozen=True)
class Weights:
    """A file of weights of Caffe; of which network of torchvision, None for another one.

    `classes` is how many categories that network tells apart; `field` is where they were given.
    """

    path: Path
    field: str
    network: TorchvisionNetwork | None = None
    classes: int = 0


def fetched(
    url: str, folder: Path, store: JobStore, environment: Mapping[str, str], most_bytes: int
) -> Path:
    """The file at `url`, in `folder`; FormError when it cannot be fetched."""
    out = folder / "fetched"
    program = ["digits.tools.fetch_file", url, str(out), f"--most_bytes={most_bytes}"]
    if reason := _failure(program, FETCH_S, environment):
        store.require_room()
        raise FormError({"weights_path": [reason]})
    return out


def caffe_weights(
    source: Path, name: str, folder: Path, store: JobStore, asked: str, network: str, field: str
) -> Weights:
    """The weights in `source`, which messages call `name`, as Caffe has them, in `folder`.

    `asked` is the format that the form says, `network` that of torchvision, both empty where it is
    left to the file; `field` is where they were given.  Raises FormError and StorageError.
    """
    with store.writing():
        beginning = _beginning(source)
    kind = PYTORCH if _is_of_pytorch(beginning, name) else CAFFE
    if asked and asked != kind:
        words = {CAFFE: "weights of Caffe", PYTORCH: "a file of PyTorch"}
        raise FormError({field: [f"{name} is {words[kind]}, not {words[asked]}."]})
    if kind == PYTORCH:
        return _of_torchvision(source, name, folder, store, network, field)
    if network:
        message = f"{name} is no state_dict of PyTorch, so it is of no network of torchvision."
        raise FormError({"torchvision_network": [message]})
    _require_caffe(beginning, name, field)
    target = folder / (HDF5_NAME if beginning.startswith(HDF5_SIGNATURE) else BINARY_NAME)
    with store.writing():
        in_thread(_take, source, target, is_ours=source.is_relative_to(store.jobs_dir))
    return Weights(target, field)


def _of_torchvision(
    source: Path, name: str, folder: Path, store: JobStore, network: str, field: str
) -> Weights:
    out = folder / BINARY_NAME
    program = ["digits.tools.torchvision_weights", str(source), str(out), f"--name={name}"]
    if reason := _failure([*program, f"--network={network}"], READ_S):
        store.require_room()
        raise FormError({field: [reason.replace(str(out), name)]})
    told = Path(f"{out}.json")
    found = json.loads(read_text(told))
    told.unlink()
    return Weights(out, field, NETWORKS[found["network"]], found["classes"])


def _beginning(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(16)


def _is_of_pytorch(beginning: bytes, name: str) -> bool:
    return beginning.startswith(PICKLES) or name.lower().endswith(STATE_DICTS)


def _require_caffe(beginning: bytes, name: str, field: str) -> None:
    """FormError for what cannot be weights of Caffe, as its name or its first bytes tell."""
    if not beginning:
        raise FormError(
            {field: [f"{name} is empty: it has 0 bytes. Was it downloaded to its end?"]}
        )
    if beginning.startswith(ARCHIVES):
        message = f"{name} is an archive. Unpack it, and give the file of weights in it."
        raise FormError({field: [message]})
    other = FOREIGN.get(Path(name.lower()).suffix)
    if other:
        raise FormError(
            {field: [f"{name} seems to be a model of {other}, which cannot be used here."]}
        )


def _take(source: Path, target: Path, *, is_ours: bool) -> None:
    """Give the file another name, or copy it where somebody else may write to it again."""
    if is_ours:
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copyfile(source, target)


def _failure(
    program: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None
) -> str:
    """Why a program of digits.tools failed, in one line; empty when it did not."""
    try:
        finished = subprocess.run(
            [sys.executable, "-m", *program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"It took longer than {timeout_s:g} s."
    if not finished.returncode:
        return ""
    told = _ERROR.findall(finished.stderr.decode("utf-8", "replace"))
    return told[-1] if told else "The program that reads it was ended; try again."
