"""Each change of a picture's pixels, against Pillow, SciPy or NumPy, and not OpenCV."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from digits.caffe.data import pixel_changes
from digits.caffe.data.pixel_changes import NOISE_PERIOD, WHOLE, Noise, Part

# OpenCV places pixels by 1/32 and rounds to whole levels; between smooth pixels that is little.
WARP_LEVELS = 2


def smooth(height: int = 40, width: int = 48, channels: int = 3) -> np.ndarray:
    """A picture without hard edges that is not symmetric in any way."""
    noise = np.random.default_rng(7).uniform(0, 255, (height, width, channels))
    soft = ndimage.gaussian_filter(noise, (4, 4, 0))
    return np.rint((soft - soft.min()) / (soft.max() - soft.min()) * 255).astype(np.uint8)


COLOR, GREY = smooth(), smooth(channels=1)
BOTH = pytest.mark.parametrize("pixels", [COLOR, GREY], ids=["color", "grey"])


@BOTH
@pytest.mark.parametrize("left_right", [False, True])
@pytest.mark.parametrize("up_down", [False, True])
def test_a_flip_is_pillows(pixels: np.ndarray, left_right: bool, up_down: bool) -> None:
    expected = [Image.fromarray(pixels[:, :, c]) for c in range(pixels.shape[2])]
    if left_right:
        expected = [p.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for p in expected]
    if up_down:
        expected = [p.transpose(Image.Transpose.FLIP_TOP_BOTTOM) for p in expected]
    found = pixel_changes.flipped(pixels, left_right, up_down)
    np.testing.assert_array_equal(found, np.stack([np.asarray(p) for p in expected], axis=2))


@BOTH
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turn_by_quarters_is_pillows(pixels: np.ndarray, quarters: int) -> None:
    square = np.ascontiguousarray(pixels[:, :40])
    expected = [
        Image.fromarray(square[:, :, c]).rotate(90 * quarters) for c in range(pixels.shape[2])
    ]
    found = pixel_changes.turned(square, quarters)
    np.testing.assert_array_equal(found, np.stack([np.asarray(p) for p in expected], axis=2))


def inner(array: np.ndarray) -> np.ndarray:
    """Without the edges, which programs continue in their own ways."""
    return array[10:-10, 12:-12].astype(int)


@pytest.mark.parametrize("angle", [-37.0, 8.5, 90.0, 180.0])
def test_a_turn_by_degrees_is_pillows(angle: float) -> None:
    square = COLOR[:, :40].copy()
    expected = Image.fromarray(square).rotate(angle, Image.Resampling.BILINEAR)
    found = pixel_changes.warped(square, WHOLE, angle)
    difference = inner(np.asarray(expected)) - inner(found)
    assert np.abs(difference).max() <= WARP_LEVELS


@BOTH
@pytest.mark.parametrize("part", [Part(0.1, 0.2, 0.5, 0.7), Part(-0.2, -0.1, 1.3, 1.3), WHOLE])
@pytest.mark.parametrize("angle", [0.0, 25.0])
def test_a_part_is_scipys_mirrored_at_the_edges(
    pixels: np.ndarray, part: Part, angle: float
) -> None:
    height, width, channels = pixels.shape
    # Rows and columns of the place that each pixel comes from, by the definition of pixels as
    # squares of side 1.
    rows, columns = np.mgrid[0:height, 0:width].astype(float)
    x, y = (columns + 0.5) / width - 0.5, (rows + 0.5) / height - 0.5
    x, y = x * part.width * width, y * part.height * height
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    across = cosine * x - sine * y + (part.left + part.width / 2) * width - 0.5
    down = sine * x + cosine * y + (part.top + part.height / 2) * height - 0.5
    expected = np.stack(
        [
            ndimage.map_coordinates(
                pixels[:, :, c].astype(float), [down, across], order=1, mode="mirror"
            )
            for c in range(channels)
        ],
        axis=2,
    )
    found = pixel_changes.warped(pixels, part, angle)
    assert found.shape == pixels.shape
    assert np.abs(found - expected).max() <= WARP_LEVELS


def test_a_crop_is_what_pillow_resizes_it_to() -> None:
    part = Part(0.25, 0.25, 0.5, 0.5)
    box = (12, 10, 36, 30)
    expected = Image.fromarray(COLOR).resize((48, 40), Image.Resampling.BILINEAR, box=box)
    difference = inner(np.asarray(expected)) - inner(pixel_changes.warped(COLOR, part, 0))
    assert np.abs(difference).max() <= WARP_LEVELS


@BOTH
@pytest.mark.parametrize("deviation", [0.6, 1.5, 4.0])
def test_a_blur_is_scipys(pixels: np.ndarray, deviation: float) -> None:
    # OpenCV cuts the bell off at 3 standard deviations, so it is asked of SciPy as well.
    radius = (round(deviation * 6 + 1) | 1) // 2
    expected = ndimage.gaussian_filter(
        pixels.astype(float), (deviation, deviation, 0), mode="mirror", radius=(radius, radius, 0)
    )
    assert np.abs(pixel_changes.blurred(pixels, deviation) - expected).max() <= 1.5


@BOTH
@pytest.mark.parametrize("factor", [-0.5, 0.3, 1.0, 1.7])
def test_contrast_is_about_the_mean_of_each_channel(pixels: np.ndarray, factor: float) -> None:
    means = pixels.astype(float).mean(axis=(0, 1))
    expected = np.clip((pixels - means) * factor + means, 0, 255)
    assert np.abs(pixel_changes.with_contrast(pixels, factor) - expected).max() <= 0.501


@pytest.mark.parametrize("shift", [(0.1, 0, 0), (0, 0.2, 0), (0, 0, -0.15), (-0.4, -0.1, 0.3)])
def test_hue_saturation_and_value_are_shifted_as_pythons(shift: tuple[float, ...]) -> None:
    hue, saturation, value = shift
    found = pixel_changes.shifted_hsv(COLOR, hue, saturation, value)

    def shifted(blue: int, green: int, red: int) -> list[float]:
        h, s, v = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
        s, v = (min(max(s + saturation, 0), 1) if s else 0), min(max(v + value, 0), 1)
        return [255 * level for level in colorsys.hsv_to_rgb((h + hue) % 1, s, v)[::-1]]

    expected = np.array([[shifted(*pixel) for pixel in row] for row in COLOR.tolist()])
    # There are 256 hues, and the shift is one of them: each is up to half a step off, which is 3
    # levels of the most colorful pixels, and what rounds a dark one grows when it becomes bright.
    difference = np.abs(found - expected)
    assert difference.max() <= 10
    assert difference.mean() <= 1.2


def test_what_has_no_color_gets_none() -> None:
    grey = np.repeat(GREY, 3, axis=2)
    found = pixel_changes.shifted_hsv(grey, 0.3, 0.5, 0.1)
    expected = np.clip(grey + 25.5, 0, 255)
    assert np.abs(found - expected).max() <= 0.5


def test_of_a_grey_picture_the_value_is_shifted() -> None:
    found = pixel_changes.shifted_hsv(GREY, 0.3, 0.5, -0.2)
    assert found.shape == GREY.shape
    np.testing.assert_array_equal(found, np.clip(GREY.astype(int) - 51, 0, 255))


@pytest.mark.parametrize("start", [0, 1234, NOISE_PERIOD - 1])
def test_noise_is_white_and_of_the_deviation(start: int) -> None:
    grey = np.full((96, 80, 3), 128, np.uint8)
    noise = Noise(0.1).added(grey, start).astype(float) - 128
    count = noise.size
    assert abs(noise.mean()) < 5 * 25.5 / np.sqrt(count)
    assert noise.std() == pytest.approx(25.5, rel=5 / np.sqrt(2 * count))
    # Neighbours, and channels, have nothing to do with each other.
    for other in (noise[1:], noise[:, 1:], noise[:, :, 1:]):
        one = noise[: len(other), : other.shape[1], : other.shape[2]]
        assert abs((one * other).mean()) / 25.5**2 < 5 / np.sqrt(count)


def test_noise_ends_at_black_and_white() -> None:
    picture = np.repeat(np.array([[[0], [255]]], np.uint8), 500, axis=0)
    found = Noise(1).added(picture, 0)
    assert {0, 255} <= set(found.ravel().tolist())


def test_noise_of_a_picture_larger_than_all_before() -> None:
    noise = Noise(0.1)
    small = noise.added(np.full((8, 8, 1), 128, np.uint8), 5)
    assert noise.added(np.full((1100, 1100, 1), 128, np.uint8), 5).shape == (1100, 1100, 1)
    np.testing.assert_array_equal(noise.added(np.full((8, 8, 1), 128, np.uint8), 5), small)


@BOTH
def test_a_part_is_erased_with_the_mean(pixels: np.ndarray) -> None:
    before = pixels.copy()
    found = pixel_changes.erased(pixels, Part(0.25, 0.5, 0.5, 0.25))
    expected = pixels.copy()
    expected[20:30, 12:36] = np.rint(pixels.astype(float).mean(axis=(0, 1)))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(pixels, before)


def test_of_the_smallest_picture_a_pixel_is_erased() -> None:
    pixels = np.full((1, 1, 1), 9, np.uint8)
    assert pixel_changes.erased(pixels, Part(0.9, 0.9, 0.05, 0.05)).tolist() == [[[9]]]
