"""Resize modes: geometry worked out by hand, pixels against Pillow's own bilinear filter."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digits.errors import ImageError
from digits.images.fast_scaling import fast_scale
from digits.images.resize import (
    MAX_SIDE,
    ResizeMode,
    ScaledSize,
    pillow_scale,
    resize_image,
    scaled_size,
)
from tests.selection import examples

RANDOM = np.random.default_rng(0)


def smooth_picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    coarse = RANDOM.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return picture[:, :, :channels].copy()


def pillow(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


@pytest.mark.parametrize(
    ("mode", "source", "target", "expected"),
    [
        ("squash", (375, 500), (256, 256), ScaledSize(256, 256)),
        ("crop", (375, 500), (256, 256), ScaledSize(256, 341)),
        ("crop", (500, 375), (256, 256), ScaledSize(341, 256)),
        ("crop", (100, 100), (64, 32), ScaledSize(64, 64)),
        ("fill", (375, 500), (256, 256), ScaledSize(192, 256)),
        # 256 * 300 / 400 = 192; 299 gives 191.36, an odd remainder, so one row more.
        ("fill", (299, 400), (256, 256), ScaledSize(192, 256)),
        ("fill", (400, 299), (256, 256), ScaledSize(256, 192)),
        ("fill", (10_000, 1), (256, 256), ScaledSize(256, 2)),
        # ratios 500/256 and 375/256, mean 437.5/256: 292.57 wide, 219.4 high made even
        ("half_crop", (375, 500), (256, 256), ScaledSize(220, 293)),
        ("half_crop", (256, 256), (256, 256), ScaledSize(256, 256)),
        ("crop", (256, 256), (256, 256), ScaledSize(256, 256)),
        ("fill", (28, 28), (28, 28), ScaledSize(28, 28)),
    ],
)
def test_scaled_size_follows_the_ratio_of_its_mode(mode, source, target, expected):
    assert scaled_size(*source, *target, mode) == expected


def test_squash_is_pillows_bilinear():
    picture = smooth_picture(375, 500)
    assert np.array_equal(resize_image(picture, 256, 200, 3, "squash"), pillow(picture, 256, 200))


def test_crop_keeps_the_middle_of_the_scaled_picture():
    picture = smooth_picture(375, 500)
    scaled = pillow(picture, 256, 341)
    # 85 columns too many: the offset 42.5 is rounded up
    assert np.array_equal(resize_image(picture, 256, 256, 3, "crop"), scaled[:, 43 : 43 + 256])


def test_fill_centres_the_whole_picture_in_noise():
    picture = smooth_picture(375, 500)
    filled = resize_image(picture, 256, 256, 3, ResizeMode.FILL)
    assert np.array_equal(filled[32:224], pillow(picture, 192, 256))
    for noise in (filled[:32], filled[224:]):
        assert noise.mean() == pytest.approx(127.5, abs=5)
        assert noise.std() == pytest.approx(73.9, abs=5)  # of a uniform 0..255


def test_half_crop_crops_the_long_side_and_fills_the_short_one():
    picture = smooth_picture(375, 500)
    result = resize_image(picture, 256, 256, 3, "half_crop")
    scaled = pillow(picture, 220, 293)
    assert np.array_equal(result[18:238], scaled[:, 19 : 19 + 256])


def test_noise_is_the_same_for_the_same_picture_and_differs_between_pictures():
    first, second = smooth_picture(40, 80), smooth_picture(40, 80)
    once = resize_image(first, 64, 64, 3, "fill")
    assert np.array_equal(once, resize_image(first.copy(), 64, 64, 3, "fill"))
    assert not np.array_equal(once[:16], resize_image(second, 64, 64, 3, "fill")[:16])


@pytest.mark.parametrize("mode", list(ResizeMode))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("source", [(1, 1), (1, 3000), (3000, 1), (37, 53), (256, 256)])
def test_every_mode_gives_the_asked_size_from_any_shape(mode, channels, source):
    picture = np.full((*source, 3), 9, np.uint8)
    result = resize_image(picture, 32, 24, channels, mode)
    assert result.shape == (32, 24, channels)
    assert result.dtype == np.uint8


def test_a_thin_picture_is_cropped_without_making_the_whole_scaled_picture():
    # Scaled as a whole it would be 256 x 25,600,000.
    picture = np.zeros((1, 100_000, 3), np.uint8)
    picture[:, 50_000:] = 200
    result = resize_image(picture, 256, 256, 3, "crop")
    assert result.shape == (256, 256, 3)
    # The kept columns lie between the centres of the two middle pixels.
    assert result[0, [0, 64, 128, 255], 0].tolist() == [0, 50, 100, 200]


def test_grey_is_made_by_pillows_conversion_and_colour_by_repeating_it():
    picture = smooth_picture(20, 20)
    grey = resize_image(picture, 20, 20, 1)
    assert np.array_equal(grey[:, :, 0], np.asarray(Image.fromarray(picture).convert("L")))
    colour = resize_image(grey, 20, 20, 3)
    assert np.array_equal(colour, np.repeat(grey, 3, axis=2))


SIDE = st.integers(1, 200)


@settings(max_examples=examples(400), deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([1, 3]), st.booleans())
def test_the_fast_filter_is_pillows_bit_for_bit(rows, columns, height, width, channels, hard):
    picture = RANDOM.integers(0, 256, (rows, columns, channels), dtype=np.uint8)
    if hard:
        picture = (picture > 127) * np.uint8(255)
    assert np.array_equal(fast_scale(picture, height, width), pillow_scale(picture, height, width))


@pytest.mark.slow
def test_the_fast_filter_loads_without_linear_algebra_which_stays_to_be_had():
    # It took longer to load than all else that a program of pictures needs.
    code = (
        "import sys, digits.images.fast_scaling\n"
        "assert 'scipy.linalg' not in sys.modules\n"
        "import scipy.linalg\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_fast_filter_takes_pictures_that_are_views_or_read_only():
    picture = smooth_picture(60, 80)
    picture.flags.writeable = False
    turned = picture.transpose(1, 0, 2)
    assert np.array_equal(fast_scale(turned, 33, 44), pillow_scale(turned, 33, 44))


@pytest.mark.parametrize(
    ("size", "channels", "mode", "message"),
    [
        ((0, 9), 3, "squash", "The height must be between 1 and 4096 pixels, not 0."),
        ((9, -1), 3, "squash", "The width must be between 1 and 4096 pixels, not -1."),
        ((9, MAX_SIDE + 1), 3, "squash", "not 4097"),
        ((1_000_000_000, 9), 3, "squash", "not 1000000000"),
        ((9, 9), 2, "squash", "The channels must be 1 (grayscale) or 3 (color), not 2."),
        ((9, 9), 3, "stretch", "There is no resize mode 'stretch'"),
    ],
)
def test_impossible_sizes_are_refused(size, channels, mode, message):
    with pytest.raises(ImageError) as raised:
        resize_image(np.zeros((4, 4, 3), np.uint8), *size, channels, mode)
    assert message in str(raised.value)
