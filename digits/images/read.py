"""Read pictures of every kind that people have: JPEG, PNG, BMP, GIF, TIFF, WebP, PPM, HEIC, AVIF.

In: a file's bytes or its path.  Out: an upright uint8 array of H x W x C, C = 1 (grey) or 3 (RGB).
The content decides what a file is, never its name.  Transparency is laid onto white, the EXIF
orientation is applied, 16 bits become 8, of an animation the first frame is taken.

A JPEG at least twice as large as what is wanted is decoded smaller by the decoder itself (libjpeg's
DCT scaling).  Very large pictures are read one stripe at a time where the format allows it.  What
decoding takes is claimed before (`budget.py`).
Everything that cannot be read raises ImageError with the reason.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from digits.errors import ImageError
from digits.images.budget import FREE_BYTES, process_budget
from digits.images.levels import WHITE, Levels
from digits.images.resize import (
    Box,
    ResizeMode,
    Scale,
    Source,
    check_size,
    resize_image,
    scaled_size,
    with_channels,
)
from digits.images.stripes import ToArray, read_png_reduced, read_reduced

Pixels = NDArray[np.uint8]

# 20,000 x 20,000 is read, 200,000 x 200,000 is refused before a byte of it is decoded.
MAX_PIXELS = 1 << 29
# A file is held in memory while it is read; 20,000 x 20,000 in colour, uncompressed, is 1.2 GB.
MAX_FILE_BYTES = 1 << 31
# Larger pictures are reduced by whole factors while they are read.
_LARGE_PIXELS = 1 << 26
# Whatever is decoded smaller keeps three times the pixels that are wanted on each side: with two,
# pictures full of fine detail came out up to 5 grey levels (mean) off, with three within 1.5.
_SPARE = 3
# Bytes that a pixel of the file takes at most while it is decoded, measured with pictures of all
# formats and modes: as a whole, and with a stripe at a time converted.
_WHOLE_BYTES, _WHOLE_VIDEO_BYTES = 21, 27
_STRIPED_BYTES, _STRIPED_VIDEO_BYTES = 6, 19
# What is decoded as a frame of a film is, as a whole and in other colours first.
_VIDEO_FORMATS = ("WEBP", "AVIF", "HEIF")
# The same of a JPEG: for each pixel that comes out (twice, if it is turned), and the coefficients
# of a progressive one, which are kept for all pixels of the file.
_JPEG_BYTES, _PROGRESSIVE_BYTES = 6, 7
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "AVIF")
_HEIF = "HEIF"  # what Pillow calls the format of HEIC files
_16_BIT_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION_SOURCES = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
# What Pillow's decoders raise on broken files, found by feeding them such files.
_DECODER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

# Pillow's own limit would refuse what MAX_PIXELS allows; `_open` checks before decoding.
Image.MAX_IMAGE_PIXELS = None


def read_image(source: bytes | str | os.PathLike[str], channels: int | None = None) -> Pixels:
    """The whole picture as H x W x C; C is what the file has, or `channels` (1 or 3) if given.

    Raises ImageError with the reason when there is no such file or it is not a sound picture.
    """
    with _open(source) as opened:
        picture, _ = _decode(opened, None)
    return with_channels(picture, channels) if channels else picture


def picture_size(source: bytes | str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of the upright picture, by its header alone.  Raises ImageError."""
    with _open(source) as opened:
        return _upright_size(opened.image)


def read_resized(
    source: bytes | str | os.PathLike[str],
    height: int,
    width: int,
    channels: int,
    mode: ResizeMode | str = ResizeMode.SQUASH,
    *,
    scale: Scale | None = None,
    levels: Levels | None = None,
) -> Pixels:
    """The picture as height x width x channels; like `resize_image` of `read_image`, but faster.

    `levels` says what 16-bit values become, by default shares of 65535, and is told which there
    were.
    Raises ImageError with the reason when there is no such file or it is not a sound picture.
    """
    check_size(height, width, channels)
    with _open(source) as opened:
        scaled = scaled_size(*_upright_size(opened.image), height, width, mode)
        wanted = (scaled.height, scaled.width)
        picture, file_picture = _decode(opened, wanted, levels)
        # Here, while what the pixels take is still claimed.
        return resize_image(
            picture, height, width, channels, mode, scale=scale, source=file_picture
        )


@dataclass(frozen=True)
class _Opened:
    """A picture whose header has been read."""

    image: Image.Image
    file: io.BytesIO | io.BufferedReader
    file_bytes: int
    claimed: ExitStack

    @property
    def data(self) -> bytes:
        """The whole file."""
        if isinstance(self.file, io.BytesIO):
            return self.file.getvalue()  # no copy
        self.file.seek(0)
        return self.file.read()

    def claim(self, bytes_a_pixel: float) -> None:
        """Wait until decoding may take so much, and the file itself; held until it is closed."""
        self.claimed.close()
        width, height = self.image.size
        bytes_ = int(width * height * bytes_a_pixel) + self.file_bytes
        self.claimed.enter_context(process_budget().claim(bytes_))


@contextmanager
def _open(source: bytes | str | os.PathLike[str]) -> Iterator[_Opened]:
    """Opens a picture; whatever fails inside the block becomes ImageError."""
    file, size = (io.BytesIO(source), len(source)) if isinstance(source, bytes) else _file(source)
    if not size:
        raise ImageError("the file is empty")
    try:
        with file, ExitStack() as claimed, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks of Pillow about files that it can read
            with Image.open(file, formats=_formats_of(file)) as image:
                _check_pixels(image)
                yield _Opened(image, file, size, claimed)
    except UnidentifiedImageError as error:
        known = ", ".join([*_FORMATS, "HEIC"])
        raise ImageError(f"not a picture of a known format ({known})") from error
    except MemoryError as error:
        raise ImageError("decoding it takes more memory than this process may have") from error
    except _DECODER_ERRORS as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ImageError(f"broken picture: {reason[0]}") from error


def _file(path: str | os.PathLike[str]) -> tuple[io.BytesIO | io.BufferedReader, int]:
    """A regular file and its size: opening a pipe or a device could wait for ever.

    A large one is read when there is room for it.
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("it is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("it is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise ImageError(f"a file of {status.st_size:,} bytes is too large for a picture")
        if status.st_size > FREE_BYTES:
            return io.BufferedReader(io.FileIO(path)), status.st_size
        with io.FileIO(path) as file:  # without a buffer: half the time for a small picture
            data = file.readall()
        return io.BytesIO(data), len(data)
    except FileNotFoundError as error:
        raise ImageError("there is no such file") from error
    except OSError as error:
        raise ImageError(f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path
        raise ImageError(f"it cannot be read: {error}") from error


def _formats_of(file: io.BytesIO | io.BufferedReader) -> tuple[str, ...]:
    """The formats that a file may have, by its first bytes."""
    head = file.read(12)
    file.seek(0)
    if head[4:8] != b"ftyp":
        return _FORMATS
    _load_heif()
    return (*_FORMATS, _HEIF)


@cache
def _load_heif() -> None:
    """Let Pillow read HEIC.  Not at the top: the web process, which decodes nothing, needs none."""
    from pillow_heif import register_heif_opener  # noqa: PLC0415

    # One thread, as with all other formats: programs have a process a core.  Of what lies beside
    # the picture (a preview, depths), nothing is read.
    register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{width} x {height} pixels are too many; at most {MAX_PIXELS:,} can be read"
        )


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) after the EXIF orientation is applied."""
    width, height = image.size
    return (width, height) if _orientation(image) >= 5 else (height, width)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; from 5 on, rows and columns change places."""
    # Pillow turns TIFFs by itself.  Asking for absent EXIF data costs more than this look-up.
    if image.format == "TIFF" or not _ORIENTATION_SOURCES & image.info.keys():
        return 1
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def value_range(source: bytes | str | os.PathLike[str]) -> tuple[int, int] | None:
    """The smallest and the largest value of a picture with 16 bits; None for any other.

    Raises ImageError with the reason when there is no such file or it is not a sound picture.
    """
    with _open(source) as opened:
        if opened.image.mode not in _16_BIT_MODES and not _has_wide_colours(opened.image):
            return None
        levels = Levels()
        _decode(opened, None, levels)
        return levels.seen


def _decode(
    opened: _Opened, wanted: tuple[int, int] | None, levels: Levels | None = None
) -> tuple[Pixels, Source]:
    """The upright pixels: all, or fewer but `_SPARE` times the `wanted` (height, width)."""
    image = opened.image
    wide = _has_wide_colours(image)  # before its pixels are read
    factor = _reduction(_upright_size(image), wanted) if wanted else 1
    if image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):
        picture, factor = _decode_jpeg(opened, factor)
    elif factor > 1 and image.width * image.height > _LARGE_PIXELS:
        picture = _decode_reduced(opened, factor, partial(_to_array, levels=levels))
    else:
        picture, factor = _decode_whole(opened, levels), 1
    if wide and levels:
        # Of colours Pillow reads the upper 8 bits alone.
        picture = levels.to_8_bits(picture.astype(np.uint16) * 257)
    width, height = image.size  # not earlier: a TIFF turns itself while it is decoded
    box = (0, 0, width / factor, height / factor)
    orientation = _orientation(image)  # a PNG may tell it behind its pixels
    return _upright(picture, orientation), Source(
        *_upright_size(image), _upright_box(box, picture.shape, orientation)
    )


def _has_wide_colours(image: Image.Image) -> bool:
    """Whether a picture in colour, or with transparency, has 16 bits a channel in its file."""
    tiles = getattr(image, "tile", [])
    return image.mode in ("RGB", "RGBA", "LA") and any(";16" in str(tile[3]) for tile in tiles)


def _reduction(size: tuple[int, int], wanted: tuple[int, int]) -> int:
    """The whole number that both sides can be divided by with `_SPARE` times `wanted` left."""
    return max(1, min(size[0] // (wanted[0] * _SPARE), size[1] // (wanted[1] * _SPARE)))


def _decode_jpeg(opened: _Opened, factor: int) -> tuple[Pixels, int]:
    """By simplejpeg: faster than Pillow, the same pixels (both are libjpeg-turbo).

    The decoder reduces by 2, 4 or 8; of these, the largest that is not above `factor` is taken.
    """
    image = opened.image
    power = min(8, 1 << (factor.bit_length() - 1))
    progressive = _PROGRESSIVE_BYTES if "progressive" in image.info else 0
    opened.claim(_JPEG_BYTES / power**2 + progressive)
    try:
        picture: Pixels = simplejpeg.decode_jpeg(
            opened.data,
            colorspace="GRAY" if image.mode == "L" else "RGB",
            min_height=-(-image.height // power),
            min_width=-(-image.width // power),
        )
    except ValueError:
        # It refuses what libjpeg only warns of; Pillow reads on, unless pixels are missing.
        return _decode_whole(opened), 1
    return picture, power


def _decode_whole(opened: _Opened, levels: Levels | None = None) -> Pixels:
    is_video = opened.image.format in _VIDEO_FORMATS
    opened.claim(_WHOLE_VIDEO_BYTES if is_video else _WHOLE_BYTES)
    return _to_array(opened.image, levels)


def _decode_reduced(opened: _Opened, factor: int, to_array: ToArray) -> Pixels:
    """A very large picture with each side divided by `factor`."""
    is_video = opened.image.format in _VIDEO_FORMATS
    opened.claim(_STRIPED_VIDEO_BYTES if is_video else _STRIPED_BYTES)
    if opened.image.format == "PNG":
        picture = read_png_reduced(opened.data, factor, to_array)
        if picture is not None:
            return picture
    return read_reduced(opened.image, factor, to_array)


def _to_array(image: Image.Image, levels: Levels | None = None) -> Pixels:
    """Any of Pillow's modes as H x W x 1 or H x W x 3, without transparency."""
    if image.mode in _16_BIT_MODES:
        return _from_16_bits(image, levels or Levels())[:, :, np.newaxis]
    if image.mode == "F":
        raise ImageError("its pixels are floating-point numbers; save it with 8 or 16 bits")
    image.load()  # some formats know their transparency only now
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    array = np.asarray(image.convert("L" if grey else "RGB"))
    return array[:, :, np.newaxis] if grey else array


def _from_16_bits(image: Image.Image, levels: Levels) -> NDArray[np.uint8]:
    """H x W of 0 to 65535 as 0 to 255."""
    values = np.asarray(image)
    if values.size and (values.min() < 0 or values.max() > WHITE):
        raise ImageError(
            f"its pixels go from {values.min()} to {values.max()}; save it with 8 or 16 bits"
        )
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return levels.to_8_bits(values)
    empty = values == transparent
    # What is transparent is laid onto white, and says nothing of the range.
    picture = np.full(values.shape, 255, np.uint8)
    picture[~empty] = levels.to_8_bits(values[~empty])
    return picture


def _upright(picture: Pixels, orientation: int) -> Pixels:
    """H x W x C as the EXIF orientation says that it should be looked at."""
    if orientation >= 5:
        picture = picture.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


def _upright_box(box: Box, shape: tuple[int, ...], orientation: int) -> Box:
    """Where `box` (left, top, right, bottom) of an H x W picture is after `_upright`."""
    left, top, right, bottom = box
    rows, columns = shape[:2]
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
        rows, columns = columns, rows
    if orientation in (3, 4, 7, 8):
        top, bottom = rows - bottom, rows - top
    if orientation in (2, 3, 6, 7):
        left, right = columns - right, columns - left
    return left, top, right, bottom
