"""What may be changed at random in pictures that a net learns from, and the file that says it.

In: numbers and choices under the field names of DIGITS 5 and 6, with a few more.  Out: the JSON of
`caffe train --augmentation FILE`, `{"format": 1, "aug_flip": "fliplr", ...}`; what it leaves out is
off.  Loads no library, so that forms can ask for ranges and presets.

Elsewhere: what chance makes of it (`augmenter.py`), the pixels (`pixel_changes.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from digits.caffe.errors import DataError

FORMAT = 1
# What it is called beside a network.
AUGMENTATION_FILE = "augmentation.json"
FLIPS = ("none", "fliplr", "flipud", "fliplrud")
QUARTER_TURNS = ("none", "rot90", "rot180", "rotall")
# Turns that change width and height, so that only squares stay what they are.
TURNS_OF_SQUARES = ("rot90", "rotall")
CHOICES: Mapping[str, tuple[str, ...]] = {"aug_flip": FLIPS, "aug_quad_rot": QUARTER_TURNS}
# From and to, both allowed.
RANGES: Mapping[str, tuple[float, float]] = {
    "aug_rot": (0, 180),
    "aug_scale": (0, 1),
    "aug_crop_scale": (0.05, 1),
    "aug_noise": (0, 1),
    "aug_contrast": (0, 5),
    "aug_hsv_h": (0, 0.5),
    "aug_hsv_s": (0, 0.5),
    "aug_hsv_v": (0, 0.5),
    "aug_blur": (0, 10),
    "aug_erase": (0, 1),
}


@dataclass(frozen=True, kw_only=True)
class AugmentationFields:
    """How each picture of a training is changed, anew each time that it is read.

    `aug_flip`: mirrored, each way half of the time: fliplr, flipud, or both (fliplrud).
    `aug_quad_rot`: turned by quarters: rot90 by 0, 90 or 270 degrees, rot180 by 0 or 180, rotall by
    any of the four.
    `aug_rot`: turned by up to so many degrees either way.
    `aug_scale`: the part that is seen is larger or smaller by a factor of mean 1 and this standard
    deviation, and moved as far as it goes.
    `aug_crop_scale`: a part is seen of at least this share of the area, of any size above it, of
    any place, its sides up to 4 : 3 out of proportion; 1: all.
    `aug_noise`: the standard deviation of white noise, 1 being the range from black to white.
    `aug_contrast`: values move from their channel's mean by a factor between 1 - x and 1 + x.
    `aug_hsv_use`: hue, saturation and value are shifted; `aug_hsv_h`, `aug_hsv_s` and `aug_hsv_v`
    are the standard deviations, 1 being the whole circle, or range.  Grey pictures have no hue.
    `aug_blur`: a Gaussian blur of a standard deviation of 0 to so many pixels.
    `aug_erase`: the share of pictures in which a rectangle is filled with the picture's mean.
    Source of the first seven: the tools of DIGITS 5 and 6.
    """

    aug_flip: str = "none"
    aug_quad_rot: str = "none"
    aug_rot: float = 0.0
    aug_scale: float = 0.0
    aug_crop_scale: float = 1.0
    aug_noise: float = 0.0
    aug_contrast: float = 0.0
    aug_hsv_use: bool = False
    aug_hsv_h: float = 0.02
    aug_hsv_s: float = 0.04
    aug_hsv_v: float = 0.06
    aug_blur: float = 0.0
    aug_erase: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Augmentation(AugmentationFields):
    """The same alone, and what follows from it."""

    @classmethod
    def of(cls, settings: AugmentationFields) -> Self:
        """The part of settings that have other fields, too."""
        return cls(**{each.name: getattr(settings, each.name) for each in fields(cls)})

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """The fields by which pictures are changed."""
        usual = Augmentation()
        names = [each.name for each in fields(Augmentation)]
        if not self.aug_hsv_use:
            names = [name for name in names if not name.startswith("aug_hsv_")]
        return tuple(name for name in names if getattr(self, name) != getattr(usual, name))

    @property
    def is_on(self) -> bool:
        """Whether any picture is changed."""
        return bool(self.changed_fields)

    @property
    def turns_squares(self) -> bool:
        """Whether it is for square pictures only."""
        return self.aug_quad_rot in TURNS_OF_SQUARES

    def to_text(self) -> str:
        """The file's text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What a file's text says; DataError with what cannot be used."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"it is no JSON: {error}") from error
        if not isinstance(values, dict):
            raise DataError(f"an object is expected, received {_shown(values)}")
        found = values.pop("format", None)
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise DataError(
                f"its format must be a whole number from 1 on, received {_shown(found)}"
            )
        if found > FORMAT:
            raise DataError(
                f"its format {found} is newer than {FORMAT}, which this version reads; train with "
                "the version that wrote it, or write the file anew"
            )
        return cls(**{name: _checked(name, value) for name, value in values.items()})


def read_augmentation(path: str) -> Augmentation:
    """The settings in a file; DataError, which names it, when they cannot be used."""
    try:
        return Augmentation.from_text(Path(path).read_text("utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"the augmentation file {path} cannot be read: {reason}") from error
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"the augmentation file {path} cannot be used: {error}") from error


PRESETS: Mapping[str, Augmentation] = {
    "none": Augmentation(),
    # Nothing here turns a letter or digit into another one.
    "light": Augmentation(aug_rot=5, aug_scale=0.05, aug_contrast=0.1),
    "medium": Augmentation(
        aug_flip="fliplr", aug_rot=10, aug_scale=0.07, aug_crop_scale=0.8, aug_noise=0.01,
        aug_contrast=0.2, aug_hsv_use=True,
    ),
    "strong": Augmentation(
        aug_flip="fliplr", aug_rot=20, aug_scale=0.1, aug_crop_scale=0.5, aug_noise=0.03,
        aug_contrast=0.4, aug_hsv_use=True, aug_hsv_h=0.03, aug_hsv_s=0.1, aug_hsv_v=0.1,
        aug_blur=1, aug_erase=0.25,
    ),
}  # fmt: skip


def preset_of(augmentation: Augmentation) -> str:
    """The name of the preset that does the same; empty where none does."""
    same = {name: getattr(augmentation, name) for name in augmentation.changed_fields}
    for name, preset in PRESETS.items():
        if same == {field: getattr(preset, field) for field in preset.changed_fields}:
            return name
    return ""


def _checked(name: str, value: Any) -> Any:
    if name in CHOICES:
        if value not in CHOICES[name]:
            words = ", ".join(CHOICES[name])
            raise DataError(f"{name} is one of {words}, received {_shown(value)}")
        return value
    if name == "aug_hsv_use":
        if not isinstance(value, bool):
            raise DataError(f"{name} is true or false, received {_shown(value)}")
        return value
    if name not in RANGES:
        raise DataError(f"there is no field {name[:60]!r}; known are {', '.join(_names())}")
    low, high = RANGES[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise DataError(f"{name} is a number from {low:g} to {high:g}, received {_shown(value)}")
    return float(value)


def _names() -> list[str]:
    return [each.name for each in fields(Augmentation)]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
