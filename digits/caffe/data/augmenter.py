"""Pictures as a training sees them: changed by chance, within what its augmentation allows.

In: samples as they are stored, before crop, mirror and mean of `transform_param`.  Out: samples of
the same shape.  What chance decides for a picture follows from the seed of its layer, the number of
the batch and its place in it, and is drawn whole whatever is on: a resumed training goes on to the
bit, and a slider of the form changes one thing only.

Elsewhere: what may be changed (`augmentation.py`), the pixels (`pixel_changes.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.caffe.data import pixel_changes
from digits.caffe.data.augmentation import Augmentation
from digits.caffe.data.datum import Sample
from digits.caffe.data.pictures import Pixels
from digits.caffe.data.pixel_changes import NOISE_PERIOD, WHOLE, Noise, Part
from digits.caffe.errors import DataError

# Beside the seed and the number of a batch, from which crops and mirrors are drawn as well.
_STREAM = 1
_UNIFORM, _NORMAL = 18, 4
# A factor of the part that is seen: a standard deviation of 1 must not turn it inside out.
_SMALLEST_FACTOR, _LARGEST_FACTOR = 0.1, 4.0
_LARGEST_RATIO = 4 / 3
# The part that is erased: shares of the area, and its sides to each other.
ERASED_FROM, ERASED_TO = 0.02, 0.2
_LARGEST_ERASED_RATIO = 3.0
_QUARTERS = {"none": (0,), "rot90": (0, 1, 3), "rot180": (0, 2), "rotall": (0, 1, 2, 3)}


@dataclass(frozen=True)
class Chance:
    """The random numbers of one picture: uniform ones in [0, 1), and normal ones."""

    uniform: npt.NDArray[np.float64]
    normal: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Changes:
    """What is done to one picture; see the functions of `pixel_changes`."""

    flip_left_right: bool
    flip_up_down: bool
    quarters: int
    part: Part
    angle: float  # degrees
    blur: float  # pixels
    hsv: tuple[float, float, float] | None
    contrast: float
    noise_start: int
    erased: Part | None


def chances(seed: int, batch: int, count: int) -> list[Chance]:
    """The random numbers of the `count` pictures of a batch, by its number."""
    random = np.random.default_rng((seed, batch, _STREAM))
    uniform = random.random((count, _UNIFORM))
    normal = random.standard_normal((count, _NORMAL))
    return [Chance(*row) for row in zip(uniform, normal, strict=True)]


def changes(augmentation: Augmentation, chance: Chance) -> Changes:
    """What these random numbers come to."""
    a, u, n = augmentation, chance.uniform.tolist(), chance.normal.tolist()
    quarters = _QUARTERS[a.aug_quad_rot]
    hsv = (n[1] * a.aug_hsv_h, n[2] * a.aug_hsv_s, n[3] * a.aug_hsv_v)
    return Changes(
        flip_left_right=a.aug_flip in ("fliplr", "fliplrud") and u[0] < 0.5,
        flip_up_down=a.aug_flip in ("flipud", "fliplrud") and u[1] < 0.5,
        quarters=quarters[int(u[2] * len(quarters))],
        angle=(2 * u[3] - 1) * a.aug_rot,
        part=_scaled(_part(a.aug_crop_scale, u[4:8]), a.aug_scale * n[0], u[8:10]),
        blur=a.aug_blur * u[10],
        hsv=hsv if a.aug_hsv_use else None,
        contrast=1 + (2 * u[11] - 1) * a.aug_contrast,
        noise_start=int(u[12] * NOISE_PERIOD),
        erased=_erased(u[14:18]) if u[13] < a.aug_erase else None,
    )


def _part(smallest: float, uniform: Sequence[float]) -> Part:
    """A part of a size and place by chance."""
    if smallest >= 1:
        return WHOLE
    return _placed(smallest + (1 - smallest) * uniform[0], _LARGEST_RATIO, uniform[1:])


def _scaled(part: Part, change: float, uniform: Sequence[float]) -> Part:
    """A part that is larger or smaller by a share, and moved as far as the difference."""
    if not change:
        return part
    factor = min(max(1 + change, _SMALLEST_FACTOR), _LARGEST_FACTOR)
    width, height = part.width * factor, part.height * factor
    return Part(
        part.left + (part.width - width) * uniform[0],
        part.top + (part.height - height) * uniform[1],
        width,
        height,
    )


def _erased(uniform: Sequence[float]) -> Part:
    """The part that is erased where one is."""
    area = ERASED_FROM + (ERASED_TO - ERASED_FROM) * uniform[0]
    return _placed(area, _LARGEST_ERASED_RATIO, uniform[1:])


def _placed(area: float, largest_ratio: float, uniform: Sequence[float]) -> Part:
    """A part of this area; its sides' ratio and its place come from three numbers."""
    ratio = math.exp((2 * uniform[0] - 1) * math.log(largest_ratio))
    width, height = min(1.0, math.sqrt(area * ratio)), min(1.0, math.sqrt(area / ratio))
    return Part((1 - width) * uniform[1], (1 - height) * uniform[2], width, height)


class Augmenter:
    """Changes pictures; may be used by several threads."""

    def __init__(self, augmentation: Augmentation) -> None:
        self.augmentation = augmentation
        self._noise = Noise(augmentation.aug_noise)

    def augmented(self, sample: Sample, chance: Chance) -> Sample:
        """A stored picture as this chance has it; DataError for what is no such picture."""
        done = changes(self.augmentation, chance)
        pixels = _pixels(sample, self.augmentation)
        return Sample(self.changed(pixels, done), True, sample.where)

    def changed(self, pixels: Pixels, done: Changes) -> Pixels:
        """A picture after these changes, in their order."""
        pixels = pixel_changes.flipped(pixels, done.flip_left_right, done.flip_up_down)
        pixels = pixel_changes.turned(pixels, done.quarters)
        pixels = pixel_changes.warped(pixels, done.part, done.angle)
        pixels = pixel_changes.blurred(pixels, done.blur)
        if done.hsv is not None:
            pixels = pixel_changes.shifted_hsv(pixels, *done.hsv)
        pixels = pixel_changes.with_contrast(pixels, done.contrast)
        pixels = self._noise.added(pixels, done.noise_start)
        return pixel_changes.erased(pixels, done.erased) if done.erased else pixels


def _pixels(sample: Sample, augmentation: Augmentation) -> Pixels:
    """The values of a sample as OpenCV has them; DataError."""
    channels, height, width = sample.shape
    if sample.values.dtype != np.uint8 or channels not in (1, 3):
        raise DataError(
            f"{sample.where}: augmentation is for pictures of 8 bits with 1 or 3 channels; this "
            f"record has {channels} channels of {sample.values.dtype}. Train without augmentation"
        )
    if augmentation.turns_squares and height != width:
        raise DataError(
            f"{sample.where}: a picture of {width} x {height} (width x height) cannot be turned by "
            "90 degrees; use aug_quad_rot rot180 or none, or square pictures"
        )
    values = sample.values if sample.channels_last else sample.values.transpose(1, 2, 0)
    pixels: Pixels = np.ascontiguousarray(values, np.uint8)
    return pixels
