"""The folder of an archive that DIGITS made of a model, unpacked: what it says of its pictures.

In: `info.json` and the files that it names.  Out: the network, the weights, the labels, and how
pictures are prepared.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from digits.caffe.data import means
from digits.caffe.errors import DataError
from digits.caffe.export.pictures import Preparation

INFO, DEPLOY, LABELS = "info.json", "deploy.prototxt", "labels.txt"


@dataclass(frozen=True)
class ModelFolder:
    """What is exported of a folder."""

    network: Path
    weights: Path
    labels: list[str]
    preparation: Preparation
    output: str
    info: dict[str, Any]


def read_folder(folder: Path) -> ModelFolder:
    """Read a folder; DataError says what is missing in it, or not as DIGITS writes it."""
    info = _info(folder / INFO)
    try:
        return ModelFolder(
            network=folder / DEPLOY,
            weights=_inside(folder, info["weights"]),
            labels=_read(folder / LABELS).splitlines(),
            preparation=_preparation(folder, info),
            output=str(info["output"]["name"]),
            info=info,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{folder / INFO} is not as DIGITS writes it ({type(error).__name__}: {error}). "
            "Give the options one by one, without --folder"
        ) from error


def _preparation(folder: Path, info: dict[str, Any]) -> Preparation:
    image, transform = info["image"], info["transform"]
    channels = int(image["channels"])
    # The archive's network multiplies by the scale itself.
    scale = 1.0 if transform.get("scale_in_deploy") else float(transform.get("scale") or 1)
    mean = None
    if transform.get("mean_file"):
        mean = means.load_mean(str(_inside(folder, transform["mean_file"])))
    elif transform.get("mean_values"):
        mean = mean_of_values([float(value) for value in transform["mean_values"]], channels)
    return Preparation(
        int(image["height"]), int(image["width"]), channels, str(image["resize_mode"]), mean, scale
    )


def mean_of_values(values: list[float], channels: int) -> np.ndarray:
    """A value for each channel, or one for all, as (channels, 1, 1).  Raises DataError."""
    if len(values) not in (1, channels):
        raise DataError(
            f"there are {len(values)} mean values; give one, or one for each of the {channels} "
            "channels"
        )
    each = values if len(values) == channels else values * channels
    return np.array(each, np.float32).reshape(channels, 1, 1)


def _inside(folder: Path, name: object) -> Path:
    """A file of the folder itself; DataError for a name that leads out of it."""
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise DataError(f"{folder / INFO} names the file {name!r}, which is not beside it")
    return folder / name


def _info(path: Path) -> dict[str, Any]:
    try:
        info = json.loads(_read(path))
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    if not isinstance(info, dict):
        raise DataError(f"{path} holds no JSON object")
    return info


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataError(f"{path} cannot be read: {why}") from error
