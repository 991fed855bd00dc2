"""Which file of an unpacked archive is what: by the names that info.json gives, else by the usual.

In: a folder without sub-folders, as `digits.tools.unpack_model` makes it.  Out: `Contents`, or
FormError at the archive's field when the weights are missing, or are there twice.
Elsewhere: what stands in the files (`reading.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from digits.caffe.data.augmentation import AUGMENTATION_FILE
from digits.dataset.images.classification.job import MEAN_FILE
from digits.model.images.classification.upload.info import Info, refused
from digits.model.job import DEPLOY_FILE, ORIGINAL_FILE, TRAIN_VAL_FILE
from digits.model.tasks.train import LOG_NAME
from digits.model.training.solver import SOLVER_FILE
from digits.sources.picture_list import LABELS_FILE
from digits.tools.unpack_model import MEMBERS_FILE

# What the files are called in a job's folder; weights are called by their iteration.
USUAL_NAMES = {
    "deploy": DEPLOY_FILE,
    "train_val": TRAIN_VAL_FILE,
    "solver": SOLVER_FILE,
    "original": ORIGINAL_FILE,
    "labels": LABELS_FILE,
    "mean": MEAN_FILE,
    "log": LOG_NAME,
    "augmentation": AUGMENTATION_FILE,
}
ENDINGS = {
    "deploy": (".prototxt", ".pbtxt"),
    "train_val": (".prototxt", ".pbtxt"),
    "solver": (".prototxt", ".pbtxt"),
    "original": (".prototxt", ".pbtxt"),
    "labels": (".txt",),
    "mean": (".binaryproto",),
    "log": (".log",),
    "augmentation": (".json",),
}
WEIGHTS = (".caffemodel", ".caffemodel.h5")
# How the files of other frameworks end.
FOREIGN = {
    ".t7": "Torch",
    ".lua": "Torch",
    ".ckpt": "TensorFlow",
    ".meta": "TensorFlow",
    ".index": "TensorFlow",
    ".pb": "TensorFlow",
    ".pth": "PyTorch",
    ".pt": "PyTorch",
    ".onnx": "ONNX",
    ".safetensors": "PyTorch",
}
MOST_NAMED = 10
_ITERATION = re.compile(r"_iter_(\d{1,12})\.caffemodel", re.IGNORECASE)


@dataclass(frozen=True)
class Contents:
    """The files of a model; None where there is none."""

    weights: Path
    deploy: Path | None
    train_val: Path | None
    solver: Path | None
    original: Path | None
    labels: Path | None
    mean: Path | None
    log: Path | None
    augmentation: Path | None

    @property
    def iteration(self) -> int | None:
        """After how many iterations the weights were written, as their name says."""
        found = _ITERATION.search(self.weights.name)
        return int(found[1]) if found else None

    def named(self) -> dict[str, Path]:
        """The files but for the weights, by the names that they get in a job's folder."""
        found = {name: getattr(self, role) for role, name in USUAL_NAMES.items()}
        return {name: path for name, path in found.items() if path is not None}


def find_contents(folder: Path, info: Info) -> Contents:
    """What is what in a folder; FormError when there is no model of Caffe in it."""
    there = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    members = _members(there.pop(MEMBERS_FILE, None))
    weights = _weights(there, members, info)
    found: dict[str, Path | None] = {}
    for role in USUAL_NAMES:
        found[role] = _by_name(role, there, info)
    if found["deploy"] is None:
        found["deploy"] = _deploy_of_another_name(there, found)
    if found["deploy"] is None and found["original"] is None and found["train_val"] is None:
        raise refused(
            f"There is no {DEPLOY_FILE} in the archive, the network that classifies. "
            f"It holds: {_listed(members)}."
        )
    return Contents(weights=weights, **found)


def _members(path: Path | None) -> list[str]:
    """The names of all that is in the archive."""
    return list(json.loads(path.read_text("utf-8"))) if path else []


def _weights(there: dict[str, Path], members: list[str], info: Info) -> Path:
    named = info.files.get("weights", "")
    candidates = [path for name, path in there.items() if name.lower().endswith(WEIGHTS)]
    if named.lower().endswith(".h5") and named in there:
        candidates = [there[named]]
    if len(candidates) > 1:
        raise refused(
            f"The archive holds {len(candidates)} files of weights "
            f"({_listed(path.name for path in candidates)}). Leave the one in it that is wanted."
        )
    if not candidates:
        raise refused(
            f"There are no weights of Caffe (.caffemodel) in the archive.{_of_whom(members)} "
            f"It holds: {_listed(members)}."
        )
    if named and named != candidates[0].name:
        raise refused(
            f"info.json names the weights {named!r}, which are not in the archive; "
            f"{candidates[0].name!r} is."
        )
    return candidates[0]


def _of_whom(members: list[str]) -> str:
    """Whose files they seem to be instead."""
    for name in members:
        for part in reversed(PurePosixPath(name.lower()).suffixes):
            if part in FOREIGN:
                return f" It seems to be a model of {FOREIGN[part]}, which cannot be used here."
    return ""


def _by_name(role: str, there: dict[str, Path], info: Info) -> Path | None:
    for name in (info.files.get(role, ""), USUAL_NAMES[role]):
        if name in there and name.lower().endswith(ENDINGS[role]):
            return there[name]
    return None


def _deploy_of_another_name(there: dict[str, Path], found: dict[str, Path | None]) -> Path | None:
    """The only network that is nothing else, or is called a deploy."""
    taken = set(found.values())
    networks = [
        path
        for name, path in there.items()
        if name.lower().endswith(ENDINGS["deploy"]) and path not in taken
    ]
    called = [path for path in networks if "deploy" in path.name.lower()]
    for choice in (called, networks):
        if len(choice) > 1:
            raise refused(
                f"Which network classifies? Call it {DEPLOY_FILE}. The archive holds: "
                f"{_listed(path.name for path in choice)}."
            )
        if choice:
            return choice[0]
    return None


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = len(found) - MOST_NAMED
    shown = ", ".join(name[:80] for name in found[:MOST_NAMED])
    return (shown + (f" and {more} more" if more > 0 else "")) or "nothing"
