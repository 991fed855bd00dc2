"""Pictures of every format and mode, and what is not a sound picture."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib
from PIL import ExifTags, Image
from pillow_heif import register_heif_opener

from digits.errors import ImageError
from digits.images import Levels, read_image, read_resized, resize_image, value_range
from digits.images.read import _to_array
from digits.images.stripes import read_png_reduced, read_reduced
from tests.selection import examples

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (6, 9), dtype=np.uint8)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def photo(height: int, width: int) -> Image.Image:
    coarse = RANDOM.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
    ],
)
def test_lossless_formats_give_the_exact_pixels(format, options):
    data = encoded(Image.fromarray(COLOUR), format, **options)
    assert np.array_equal(read_image(data), COLOUR)


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_pictures_of_phones_are_read(format, mode):
    register_heif_opener()  # to write one
    picture = photo(48, 80).convert(mode)
    expected = np.asarray(picture.convert("L" if mode == "L" else "RGB"), np.int16)
    read = read_image(encoded(picture, format, quality=95), channels=3 if mode != "L" else 1)
    assert np.abs(read.squeeze().astype(np.int16) - expected).mean() < 6


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_what_a_phone_turned_comes_upright(format):
    register_heif_opener()
    lying = Image.fromarray(
        np.repeat(np.uint8([[[255, 0, 0]], [[0, 0, 255]]]), 32, 0).repeat(48, 1)
    )
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    upright = read_image(encoded(lying, format, exif=exif.tobytes(), quality=95), channels=3)
    assert upright.shape == (48, 64, 3)
    assert upright[24, 8, 2] > 200, "blue, which was below, is left"
    assert upright[24, 56, 0] > 200


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_what_is_left_of_a_phones_picture_is_broken(format):
    register_heif_opener()
    whole = encoded(photo(64, 64), format)
    for end in (16, 40, len(whole) // 2, len(whole) - 40):
        with pytest.raises(ImageError):
            read_image(whole[:end])


def test_only_a_picture_that_needs_it_loads_the_decoder_of_heic():
    script = (
        "import io, sys; from PIL import Image; from digits.images import read_image\n"
        "file = io.BytesIO(); Image.new('RGB', (8, 8)).save(file, 'PNG')\n"
        "read_image(file.getvalue()); sys.exit('pillow_heif' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (read_image(data) == (255, 0, 0)).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpegs_give_the_pixels_that_pillow_gives(mode, subsampling):
    image = photo(123, 77).convert(mode)
    data = encoded(image, "JPEG", quality=90, subsampling=subsampling)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(read_image(data).squeeze(), expected)


def test_the_content_decides_not_the_name(tmp_path):
    path = tmp_path / "picture.gif"
    path.write_bytes(encoded(Image.fromarray(COLOUR), "PNG"))
    assert np.array_equal(read_image(path), COLOUR)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(GREY > 127), (GREY > 127) * np.uint8(255)),
        (Image.fromarray(GREY), GREY),
        (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
        # (v + 128) // 257: the nearest of the 256 levels
        (Image.fromarray(np.array([[128, 129, 65406, 65407]], np.uint16)), [[0, 1, 254, 255]]),
    ],
    ids=["1", "L", "I;16", "I;16 rounded"],
)
def test_grey_modes_become_one_channel(image, expected):
    picture = read_image(encoded(image, "PNG"))
    assert picture.shape[2] == 1
    assert np.array_equal(picture[:, :, 0], expected)


def test_16_bit_values_may_be_scaled_by_another_range():
    values = np.array([[0, 100, 2147, 4195, 9000]], np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    assert value_range(data) == (0, 9000)
    levels = Levels(100, 4195)
    found = read_resized(data, 1, 5, 1, levels=levels)
    assert found.ravel().tolist() == [0, 0, 127, 255, 255]
    assert levels.seen == (0, 9000)
    assert value_range(encoded(Image.fromarray(GREY), "PNG")) is None


def test_colours_of_16_bits_are_scaled_by_their_upper_8_bits():
    rows = b"".join(
        b"\0" + np.full((4, 3), 3000, ">u2").tobytes() for _ in range(2)
    )  # a filter of 0, then R,G,B of four pixels

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    head = struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    upper = 3000 // 256
    assert value_range(data) == (upper * 257, upper * 257)
    assert read_resized(data, 2, 4, 3).max() == upper
    assert read_resized(data, 2, 4, 3, levels=Levels(0, upper * 257)).min() == 255


def test_16_bit_pgm_and_big_endian_tiff_are_scaled_to_8_bits():
    values = GREY.astype(np.uint16) * 257
    pgm = b"P5 9 6 65535\n" + values.astype(">u2").tobytes()
    assert np.array_equal(read_image(pgm)[:, :, 0], GREY)
    tiff = encoded(Image.frombytes("I;16B", (9, 6), values.astype(">u2").tobytes()), "TIFF")
    assert np.array_equal(read_image(tiff)[:, :, 0], GREY)


def test_palettes_become_colours():
    image = Image.fromarray(GREY, "L").convert("P")
    image.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    expected = np.stack([GREY, 255 - GREY, np.full_like(GREY, 7)], axis=2)
    assert np.array_equal(read_image(encoded(image, "PNG")), expected)


def test_transparency_is_laid_onto_white():
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 100
    rgba[0, :, 3] = (255, 0, 51)  # opaque, clear, a fifth
    expected = [[100, 0, 0], [255, 255, 255], [224, 204, 204]]
    for format in ("PNG", "TIFF"):
        assert read_image(encoded(Image.fromarray(rgba), format))[0].tolist() == expected


def test_a_transparent_palette_colour_and_a_transparent_grey_become_white():
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    data = encoded(palette, "PNG", transparency=1)
    assert read_image(data)[0].tolist() == [[10, 20, 30], [255, 255, 255]]
    grey_alpha = Image.merge("LA", [Image.new("L", (1, 1), 10), Image.new("L", (1, 1), 0)])
    assert read_image(encoded(grey_alpha, "PNG")).tolist() == [[[255]]]
    deep = Image.fromarray(np.array([[500, 257]], np.uint16))
    assert read_image(encoded(deep, "PNG", transparency=500))[0].tolist() == [[255], [1]]


@pytest.mark.parametrize(
    ("mode", "format"), [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF")]
)
def test_print_and_video_colours_become_rgb(mode, format):
    image = Image.new("RGB", (16, 16), (200, 40, 90)).convert(mode)
    picture = read_image(encoded(image, format))
    assert np.abs(picture.astype(int) - (200, 40, 90)).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation, format):
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    stored = photo(48, 64)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 95}
    picture = read_image(encoded(stored, format, exif=exif, **options))
    upright = stored.transpose(turns[orientation]) if orientation > 1 else stored
    assert picture.shape == np.asarray(upright).shape
    assert np.abs(picture.astype(int) - np.asarray(upright)).mean() < 3
    # the geometry of a resize mode follows the upright picture
    data = encoded(stored, format, exif=exif, **options)
    assert np.array_equal(
        read_resized(data, 16, 16, 3, "fill"), resize_image(picture, 16, 16, 3, "fill")
    )


@pytest.mark.parametrize("mode", ["squash", "crop", "fill", "half_crop"])
@pytest.mark.parametrize("size", [(1024, 768), (1600, 1300), (2049, 1537)])
def test_a_large_jpeg_decoded_smaller_stays_within_one_and_a_half_levels(mode, size):
    noisy = np.clip(np.asarray(photo(*size)) + RANDOM.normal(0, 25, (*size, 3)), 0, 255)
    data = encoded(Image.fromarray(noisy.astype(np.uint8)), "JPEG", quality=90)
    fast = read_resized(data, 128, 128, 3, mode).astype(int)
    full = resize_image(read_image(data), 128, 128, 3, mode).astype(int)
    kept = slice(32, 96)  # the noise at the ends differs, being seeded by the pixels
    assert np.abs(fast - full)[kept, kept].mean() <= 1.5


def test_a_small_jpeg_is_decoded_in_full():
    data = encoded(photo(375, 500), "JPEG")
    expected = resize_image(read_image(data), 256, 256, 3)
    assert np.array_equal(read_resized(data, 256, 256, 3), expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_pngs_read_in_stripes_are_reduced_like_the_whole_picture(mode, monkeypatch):
    monkeypatch.setattr("digits.images.stripes._STRIPE_BYTES", 3000)
    image = photo(101, 83).convert("RGBA" if mode == "RGBA" else "RGB").convert(mode)
    data = encoded(image, "PNG")
    whole = _to_array(Image.open(io.BytesIO(data)))
    expected = np.asarray(Image.fromarray(whole.squeeze()).reduce(4))
    for reduced in (
        read_png_reduced(data, 4, _to_array),
        read_reduced(Image.open(io.BytesIO(data)), 4, _to_array),
    ):
        assert reduced is not None
        assert np.array_equal(reduced.squeeze(), expected)


@pytest.mark.parametrize(
    ("format", "orientation"), [("PNG", 1), ("PNG", 6), ("TIFF", 8), ("BMP", 1)]
)
def test_very_large_pictures_are_reduced_to_nearly_what_they_are(monkeypatch, format, orientation):
    monkeypatch.setattr("digits.images.read._LARGE_PIXELS", 1000)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(301, 403), format, exif=exif)
    for mode in ("squash", "crop", "half_crop"):
        fast = read_resized(data, 31, 20, 3, mode).astype(int)
        full = resize_image(read_image(data), 31, 20, 3, mode)
        assert np.abs(fast - full)[12:20].mean() < 1.5


def test_a_png_cut_short_in_its_rows_is_refused_by_the_stripe_reader():
    data = encoded(photo(101, 83), "PNG")
    with pytest.raises(ValueError, match="truncated PNG"):
        read_png_reduced(data[: len(data) // 2], 4, _to_array)


def png_of_equal_rows(row: bytes, width: int, height: int) -> bytes:
    """An RGB PNG of any height, made a row at a time."""
    compressor = isal_zlib.compressobj(1)
    pixels = b"".join(compressor.compress(b"\0" + row) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels + compressor.flush()), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.slow
def test_20000_by_20000_is_read_in_little_memory(tmp_path):
    """In a process of its own, whose peak memory is that of reading alone."""
    path = tmp_path / "large.png"
    row = bytes(3 * 10_000) + bytes([200]) * (3 * 10_000)
    path.write_bytes(png_of_equal_rows(row, 20_000, 20_000))
    code = (
        "import pathlib, sys; from digits.images import read_resized\n"
        "picture = read_resized(sys.argv[1], 64, 64, 3)\n"
        "assert picture[30, 10].tolist() == [0, 0, 0] and picture[30, 50].tolist() == [200] * 3\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(status.split('VmHWM:')[1].split()[0])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    ).stdout
    assert int(output) < 300_000  # KB; the pixels are 1,200,000


def png_header_only(width: int, height: int) -> bytes:
    data = encoded(Image.new("L", (1, 1)), "PNG")
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    body = b"IHDR" + header + data[24:29]

    return data[:12] + body + zlib.crc32(body).to_bytes(4, "big") + data[33:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, I am no picture", "not a picture of a known format (JPEG, PNG, BMP, GIF"),
        (encoded(photo(50, 50), "JPEG")[:400], "broken picture"),
        (encoded(photo(50, 50), "PNG")[:400], "broken picture"),
        (encoded(photo(50, 50), "GIF")[:900], "broken picture"),
        (encoded(photo(50, 50), "TIFF")[:300], "broken picture"),
        (encoded(photo(50, 50), "WEBP")[:300], "broken picture"),
        (encoded(photo(50, 50), "BMP")[:300], "broken picture"),
        (png_header_only(200_000, 200_000), "200000 x 200000 pixels are too many"),
        (encoded(Image.new("F", (3, 3)), "TIFF"), "floating-point numbers"),
        (encoded(Image.fromarray(np.array([[-5]], np.int32)), "TIFF"), "its pixels go from -5"),
    ],
)
def test_broken_pictures_are_refused_with_the_reason(data, reason):
    for read in (read_image, lambda data: read_resized(data, 8, 8, 3)):
        with pytest.raises(ImageError) as raised:
            read(data)
        assert reason in str(raised.value)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in [
        (tmp_path / "pipe", "it is not a regular file"),
        (tmp_path, "it is a folder"),
        (tmp_path / "missing.png", "there is no such file"),
        ("nul\0.png", "it cannot be read"),
        (tmp_path / ("x" * 300), "it cannot be read: File name too long"),
    ]:
        with pytest.raises(ImageError) as raised:
            read_image(path)
        assert reason in str(raised.value)


SOUND_FILES = [
    encoded(photo(20, 20), format)
    for format in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
]


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(SOUND_FILES), st.data())
def test_no_damage_to_a_file_raises_anything_but_image_error(sound, data):
    damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = read_resized(bytes(damaged), 8, 8, 3)
    except ImageError:
        return
    assert picture.shape == (8, 8, 3)
