"""What the `info.json` of an archive says, in the spellings of every version of DIGITS.

In: the file.  Out: an `Info`, in which None, empty and missing all mean that nothing is said.
Ours has groups (`image`, `transform`, `output`), DIGITS 2 to 6 have keys such as "image
dimensions"; ours of today has both, and its groups count, since they say more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from digits.errors import FormError
from digits.images import MAX_SIDE, ResizeMode
from digits.tools.unpack_model import INFO_FILE
from digits.web.words import shown

ARCHIVE_FIELD = "archive"
MOST_INFO_BYTES = 1 << 20
MOST_VALUES = 3  # one a channel
LARGEST_VALUE = 65_535
# What a file is for, and the keys that name it.
FILE_KEYS = {
    "weights": ("weights", "snapshot file"),
    "deploy": ("deploy file",),
    "train_val": ("train_val file",),
    "solver": ("solver file",),
    "original": ("model file", "network file"),
    "labels": ("labels file",),
    "mean": ("mean file",),
}
NONE, IMAGE, PIXEL = "none", "image", "pixel"
# What programs that train with Caffe's files call themselves.
CAFFE = frozenset({"caffe", "digits", "nvcaffe", "bvlc", "nvidia"})
OTHERS = {"torch": "Torch", "tensorflow": "TensorFlow"}


@dataclass(frozen=True)
class Info:
    """An info.json, read; sizes in pixels, `mean` is none, image or pixel."""

    given: Mapping[str, Any] = field(default_factory=dict)  # all of it
    name: str = ""
    group: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    height: int | None = None
    width: int | None = None
    channels: int | None = None
    resize_mode: str = ""
    value_range: tuple[int, int] | None = None
    mean: str = ""
    mean_values: tuple[float, ...] = ()
    scale: float | None = None
    scale_in_deploy: bool = False
    output: str = ""
    epoch: float | None = None
    dataset_name: str = ""
    trained_by: str = ""


def refused(message: str) -> FormError:
    """What is wrong with the archive as a whole, at its field."""
    return FormError({ARCHIVE_FIELD: [message]})


def read_info(folder: Path) -> Info:
    """What the info.json in a folder says; nothing when there is none.

    Raises FormError for what is no info.json, and for a model of another framework.
    """
    path = folder / INFO_FILE
    if not path.is_file():
        return Info()
    if path.stat().st_size > MOST_INFO_BYTES:
        raise refused(f"{INFO_FILE} has more than {MOST_INFO_BYTES:,} bytes.")
    try:
        given = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise refused(f"{INFO_FILE} is not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise refused(f"{INFO_FILE} is not a JSON object. Received: {shown(str(given))}.")
    said = _Said(given)
    _require_caffe(said)
    return _read(said)


def _read(said: _Said) -> Info:
    dimensions = said.numbers("image dimensions", most=3)
    height, width, channels = dimensions if len(dimensions) == 3 else (None, None, None)
    levels = said.numbers("image", "value_range", most=2)
    return Info(
        given=said.given,
        name=said.text("name"),
        group=said.text("group"),
        files={role: name for role in FILE_KEYS if (name := said.file(*FILE_KEYS[role]))},
        height=said.size(height, "image", "height"),
        width=said.size(width, "image", "width"),
        channels=said.size(channels, "image", "channels"),
        resize_mode=said.mode(),
        value_range=_range(levels),
        mean=_mean(said),
        mean_values=said.numbers("transform", "mean_values", most=MOST_VALUES),
        scale=said.number("transform", "scale"),
        scale_in_deploy=said.get("transform", "scale_in_deploy") is True,
        output=said.text("output", "name"),
        epoch=said.number("epoch"),
        dataset_name=said.text("dataset", "name"),
        trained_by=_program(said),
    )


def _require_caffe(said: _Said) -> None:
    # The first versions here said {"name": "DIGITS"}.
    named = said.get("framework")
    framework = str(named.get("name", "") if isinstance(named, dict) else named or "").strip()
    if framework and framework.casefold() not in CAFFE:
        title = OTHERS.get(framework.casefold(), shown(framework))
        raise refused(
            f"This is a model of {title} ({INFO_FILE}: framework). Only models of Caffe can be "
            "used here."
        )


def _mean(said: _Said) -> str:
    """What is subtracted; empty when the file does not say."""
    told = said.get("transform")
    if isinstance(told, dict) and {"mean_file", "mean_values"} & told.keys():
        if said.numbers("transform", "mean_values", most=MOST_VALUES):
            return PIXEL
        return IMAGE if said.get("transform", "mean_file") else NONE
    word = said.get("mean subtraction")
    if isinstance(word, bool):
        return IMAGE if word else NONE
    word = str(word or "").strip().casefold()
    if word and word not in (NONE, IMAGE, PIXEL):
        raise refused(
            f'{INFO_FILE}: "mean subtraction" is none, image or pixel. Received: {shown(word)}.'
        )
    return word


def _program(said: _Said) -> str:
    parts = [said.text("trained_by", "name"), said.text("trained_by", "version")]
    if not any(parts):
        parts = ["Caffe", said.text("caffe flavor"), said.text("caffe version")]
        parts = parts if any(parts[1:]) else []
    return " ".join(filter(None, parts))


def _range(levels: tuple[float, ...]) -> tuple[int, int] | None:
    if not levels:
        return None
    if len(levels) != 2 or not 0 <= levels[0] < levels[1] <= LARGEST_VALUE:
        raise refused(
            f'{INFO_FILE}: "value_range" is two growing numbers up to {LARGEST_VALUE}. '
            f"Received: {shown(str(list(levels)))}."
        )
    return int(levels[0]), int(levels[1])


@dataclass(frozen=True)
class _Said:
    """The JSON of an info.json, asked key by key; FormError for a value of another kind."""

    given: Mapping[str, Any]

    def get(self, *path: str) -> Any:
        """The value at a path of keys; None where there is none."""
        value: Any = self.given
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def text(self, *path: str) -> str:
        value = self.get(*path)
        if value is None or isinstance(value, dict | list | bool):
            return ""
        # JSON can hold half characters, which no file can.
        return " ".join(str(value).encode("utf-8", "replace").decode().split())

    def file(self, *keys: str) -> str:
        """The name of a file, without its folders, by the first key that has one."""
        texts = [text for key in keys if (text := self.text(key))]
        return PurePosixPath(texts[0].replace("\\", "/")).name if texts else ""

    def number(self, *path: str) -> float | None:
        value = self.get(*path)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_usual(value):
            raise self._wrong(path, "a number", value)
        return value

    def numbers(self, *path: str, most: int) -> tuple[float, ...]:
        value = self.get(*path)
        if value is None:
            return ()
        is_list = isinstance(value, list) and len(value) <= most
        if not is_list or not all(_is_number(each) for each in value):
            raise self._wrong(path, f"a list of up to {most} numbers", value)
        return tuple(value)

    def size(self, other: float | None, *path: str) -> int | None:
        """A side of the pictures, or how many channels they have; `other` where it is not said."""
        value = self.number(*path)
        value = other if value is None else value
        if value is None:
            return None
        if value != int(value) or not 1 <= value <= MAX_SIDE:
            raise self._wrong(path, f"a whole number from 1 to {MAX_SIDE}", value)
        return int(value)

    def mode(self) -> str:
        word = self.text("image", "resize_mode") or self.text("image resize mode")
        if word and word not in set(ResizeMode):
            raise refused(
                f"{INFO_FILE}: the resize mode is one of {', '.join(ResizeMode)}. "
                f"Received: {shown(word)}."
            )
        return word

    def _wrong(self, path: tuple[str, ...], what: str, value: Any) -> FormError:
        return refused(f'{INFO_FILE}: "{path[-1]}" is {what}. Received: {shown(str(value))}.')


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_usual(value)


def _is_usual(value: float) -> bool:
    """Whether it can be calculated with."""
    return abs(value) < 1e15 if isinstance(value, int) else math.isfinite(value)
