"""What is stored decodes to what was there."""

import io

import numpy as np
import pytest
from PIL import Image

from digits.errors import ImageError
from digits.images import encode_picture
from digits.images.example import example_picture


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (7, 5, 3), (28, 28, 1), (33, 64, 3)])
def test_a_png_holds_the_exact_pixels(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = Image.open(io.BytesIO(encode_picture(picture, "png")))
    image.verify()
    image = Image.open(io.BytesIO(encode_picture(picture, "png")))
    assert image.mode == ("L" if shape[2] == 1 else "RGB")
    assert np.array_equal(np.asarray(image).reshape(shape), picture)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_is_close_and_keeps_its_channels(channels):
    picture = example_picture()[:, :, :channels]
    image = Image.open(io.BytesIO(encode_picture(picture, "jpg")))
    decoded = np.asarray(image).reshape(picture.shape)
    assert np.abs(decoded.astype(int) - picture).mean() < 3


def test_raw_bytes_are_blue_green_red_planes():
    picture = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 3)
    assert list(encode_picture(picture, "none")) == [2, 5, 8, 11, 1, 4, 7, 10, 0, 3, 6, 9]


def test_an_unknown_encoding_is_refused():
    with pytest.raises(ImageError, match="There is no encoding 'gif'; the encodings are png, jpg"):
        encode_picture(np.zeros((1, 1, 3), np.uint8), "gif")


def test_the_example_is_drawn_alike_each_time_and_is_not_square():
    first = example_picture()
    example_picture.cache_clear()
    assert np.array_equal(first, example_picture())
    assert first.shape == (320, 480, 3)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 1000
