"""The archive's program where DIGITS is not installed: it prepares pictures as the pages do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.images import read_resized
from digits.model.download import classify_script

HEIGHT, WIDTH = 32, 28


def smooth(height: int, width: int) -> Image.Image:
    """A colourful picture without fine detail."""
    pixels = np.random.default_rng(height).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    smooth(60, 80).save(path, exif=exif)


def see_through(path: Path) -> None:
    image = smooth(50, 60).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(path)


def sixteen_bits(path: Path) -> None:
    values = np.linspace(0, 65535, 40 * 50).astype(np.uint16).reshape(40, 50)
    Image.fromarray(values).save(path)


PICTURES = {
    "wide.png": lambda path: smooth(40, 90).save(path),
    "tall.jpg": lambda path: smooth(91, 37).save(path),
    "small.bmp": lambda path: smooth(5, 3).save(path),
    "grey.png": lambda path: smooth(50, 60).convert("L").save(path),
    "palette.gif": lambda path: smooth(50, 60).convert("P").save(path),
    "turned.jpg": turned,
    "see_through.png": see_through,
    "sixteen_bits.png": sixteen_bits,
}


@pytest.mark.parametrize("mode", ["squash", "crop", "fill", "half_crop"])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_prepared_as_on_the_pages(tmp_path: Path, name: str, mode: str) -> None:
    path = tmp_path / name
    PICTURES[name](path)
    for channels in (1, 3):
        expected = read_resized(path, HEIGHT, WIDTH, channels, mode)
        info = {"height": HEIGHT, "width": WIDTH, "resize_mode": mode}
        found = classify_script.resize(
            classify_script.open_picture(path, channels, (0, 65535)), info
        )
        assert found.shape == expected.shape
        # Rounding of grey from colour, before or after the resizing, may differ by one.
        assert np.abs(found.astype(int) - expected.astype(int)).max() <= (channels == 1)
