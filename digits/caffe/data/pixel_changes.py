"""What is done to the pixels of one picture, by OpenCV; each function is one change.

In and out: 8 bits, H x W x C in B,G,R or grey, a picture of the same shape; the given one stays as
it is.  Places and sizes are shares of the picture where it says so.
Elsewhere: which changes, and how large (`augmenter.py`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from digits.caffe.data.pictures import Pixels, opencv

# Of the values that noise is taken from; it begins at any of them.
NOISE_PERIOD = 1 << 20
_NOISE_SEED = 1


class Part(NamedTuple):
    """A part of a picture, in shares of its width and height; it may reach out of it."""

    left: float
    top: float
    width: float
    height: float


WHOLE = Part(0, 0, 1, 1)


def flipped(pixels: Pixels, left_right: bool, up_down: bool) -> Pixels:
    """Mirrored, either way or both."""
    if not left_right and not up_down:
        return pixels
    return _three_axes(opencv().flip(pixels, -1 if left_right and up_down else int(not up_down)))


def turned(pixels: Pixels, quarters: int) -> Pixels:
    """Turned by quarters, counter-clockwise; one or three need a square."""
    if not quarters:
        return pixels
    cv2 = opencv()
    turns = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)
    return _three_axes(cv2.rotate(pixels, turns[quarters - 1]))


def warped(pixels: Pixels, part: Part, angle: float) -> Pixels:
    """A part, turned about its middle by `angle` degrees counter-clockwise, in the whole size.

    Bilinear; what lies outside of the picture is its mirror image.
    """
    if part == WHOLE and not angle:
        return pixels
    cv2 = opencv()
    height, width = pixels.shape[:2]
    return _three_axes(
        cv2.warpAffine(
            pixels, warp_matrix(height, width, part, angle), (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101,
        )
    )  # fmt: skip


def warp_matrix(height: int, width: int, part: Part, angle: float) -> npt.NDArray[np.float64]:
    """From places (x, y, 1) in the result to places (x, y) in the picture, in pixels (2 x 3)."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # Pixels are squares: the middle of the first one is at half a pixel.
    centre = (part.left + part.width / 2) * width - 0.5, (part.top + part.height / 2) * height - 0.5
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([part.width, part.height])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.column_stack([linear, np.array(centre) - linear @ middle])


def blurred(pixels: Pixels, deviation: float) -> Pixels:
    """By a Gaussian of this standard deviation in pixels; edges are mirrored."""
    if deviation <= 0:
        return pixels
    cv2 = opencv()
    border = cv2.BORDER_REFLECT_101
    return _three_axes(cv2.GaussianBlur(pixels, (0, 0), deviation, borderType=border))


def shifted_hsv(pixels: Pixels, hue: float, saturation: float, value: float) -> Pixels:
    """Hue turned by a share of the circle, saturation and value shifted by a share of the range.

    What has no colour gets none.  Of grey pictures, the value is all there is.
    """
    cv2 = opencv()
    levels = np.arange(256, dtype=np.float64)
    values = _levels(levels + 255 * value)
    if pixels.shape[2] == 1:
        return _three_axes(cv2.LUT(pixels, values))
    hues = ((levels + np.rint(256 * hue)) % 256).astype(np.uint8)
    saturations = _levels(levels + 255 * saturation)
    saturations[0] = 0
    table = np.stack([hues, saturations, values], axis=1)[np.newaxis]
    shifted = cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV_FULL), table)
    result: Pixels = cv2.cvtColor(shifted, cv2.COLOR_HSV2BGR_FULL)
    return result


def with_contrast(pixels: Pixels, factor: float) -> Pixels:
    """(x - mean) * factor + mean, the mean being that of the channel."""
    if factor == 1:
        return pixels
    cv2 = opencv()
    means = np.array(cv2.mean(pixels)[: pixels.shape[2]])
    table = _levels((np.arange(256.0)[:, np.newaxis] - means) * factor + means)
    return _three_axes(cv2.LUT(pixels, table[np.newaxis]))


class Noise:
    """White noise of one standard deviation (1: from black to white).

    Normal numbers that are made once, from an own seed, and used from any place on: to draw them
    for each picture takes longer than all other changes together.
    """

    def __init__(self, deviation: float) -> None:
        self._deviation = deviation
        self._values = np.zeros(0, np.int16)

    def added(self, pixels: Pixels, start: int) -> Pixels:
        """With noise from the place `start` of the numbers on, below NOISE_PERIOD."""
        if self._deviation <= 0:
            return pixels
        size = NOISE_PERIOD + pixels.size
        if len(self._values) < size:
            drawn = np.random.default_rng(_NOISE_SEED).standard_normal(size, np.float32)
            # Pixels are whole numbers, so rounding before or after the sum is the same.
            self._values = np.rint(drawn * (255 * self._deviation)).astype(np.int16)
        cv2 = opencv()
        noise = self._values[start : start + pixels.size].reshape(pixels.shape)
        return _three_axes(cv2.add(pixels, noise, dtype=cv2.CV_8U))


def erased(pixels: Pixels, part: Part) -> Pixels:
    """A part filled with the picture's mean."""
    height, width, channels = pixels.shape
    left, top = round(part.left * width), round(part.top * height)
    right = max(left + 1, round((part.left + part.width) * width))
    bottom = max(top + 1, round((part.top + part.height) * height))
    result = pixels.copy()
    result[top:bottom, left:right] = np.rint(opencv().mean(pixels)[:channels])
    return result


def _levels(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _three_axes(pixels: Any) -> Pixels:
    """OpenCV gives grey pictures back with two."""
    result: Pixels = pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
    return result
