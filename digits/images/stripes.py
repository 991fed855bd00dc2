"""Read a very large picture at a fraction of its size, a stripe of rows at a time.

Converted and as an array, all of its pixels would take several times their own size.  A PNG is not
even decoded as a whole, as Pillow would: that is 1.6 GB for 20,000 x 20,000 in colour.  Its
compressed rows are inflated a stripe at a time; each stripe goes to Pillow as a small PNG of its
own, below a first row that repeats the last row of the stripe before, which its filters refer to.
Source: the PNG specification, sections 5 (chunks), 9 (filters).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
ToArray = Callable[[Image.Image], Pixels]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> samples a pixel
_STRIPE_BYTES = 1 << 24
_INFLATE_BYTES = 1 << 20


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    colour_type: int
    chunks: bytes  # everything between IHDR and IDAT: palette, transparency

    @property
    def row_bytes(self) -> int:
        """Bytes of a filtered row: the filter's number and 8 bits a sample."""
        return 1 + self.width * _SAMPLES[self.colour_type]


def read_reduced(image: Image.Image, factor: int, to_array: ToArray) -> Pixels:
    """The picture with each side divided by `factor`, each pixel the mean of factor x factor.

    `to_array` makes H x W x C of a stripe.  Raises whatever Pillow raises for broken data.
    """
    image.load()
    rows = max(1, _STRIPE_BYTES // (image.width * 4 * factor)) * factor
    return _reduced(
        (_cropped(image, top, rows) for top in range(0, image.height, rows)), factor, to_array
    )


def read_png_reduced(data: bytes, factor: int, to_array: ToArray) -> Pixels | None:
    """As `read_reduced` of the PNG in `data`, without ever holding all of it.

    Answers None for what cannot be read this way: interlaced PNGs and those with other than 8 bits
    a sample.  Raises ValueError or zlib.error for broken data, and whatever Pillow raises.
    """
    header = _read_header(data)
    if header is None:
        return None
    rows = max(1, _STRIPE_BYTES // (header.row_bytes * factor)) * factor
    return _reduced(_png_stripes(data, header, rows), factor, to_array)


def _reduced(stripes: Iterable[Image.Image], factor: int, to_array: ToArray) -> Pixels:
    return np.concatenate([_reduce(to_array(stripe), factor) for stripe in stripes])


def _reduce(picture: Pixels, factor: int) -> Pixels:
    """H x W x C, each side divided by `factor` and rounded up, by the mean of each block."""
    grey = picture.shape[2] == 1
    image = Image.fromarray(picture[:, :, 0] if grey else picture).reduce(factor)
    return np.asarray(image).reshape(image.height, image.width, -1)


def _cropped(image: Image.Image, top: int, rows: int) -> Image.Image:
    stripe = image.crop((0, top, image.width, min(top + rows, image.height)))
    stripe.info = image.info  # the transparent colour is kept there
    return stripe


def _read_header(data: bytes) -> _Header | None:
    """The header, or None when the pixels are not plain rows of 8-bit samples."""
    width = height = colour_type = -1
    between = b""
    for kind, content in _chunks(data):
        if kind == b"IHDR":
            width, height, bits, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", content)
            if bits != 8 or interlaced or colour_type not in _SAMPLES:
                return None
        elif kind == b"IDAT":
            break
        elif kind in (b"PLTE", b"tRNS"):
            between += _chunk(kind, bytes(content))
    return _Header(width, height, colour_type, between) if width > 0 else None


def _png_stripes(data: bytes, header: _Header, rows_per_stripe: int) -> Iterator[Image.Image]:
    """The picture from top to bottom, `rows_per_stripe` rows at a time (or what is left)."""
    filtered = _filtered_rows(data, header.row_bytes * rows_per_stripe)
    last_row = b""
    for top in range(0, header.height, rows_per_stripe):
        rows = min(rows_per_stripe, header.height - top)
        piece = next(filtered, b"")
        if len(piece) < rows * header.row_bytes:
            raise ValueError(f"truncated PNG: it ends in the rows after row {top}")
        with Image.open(io.BytesIO(_small_png(header, rows, piece, last_row))) as stripe:
            stripe.load()
            samples = np.asarray(stripe).reshape(stripe.height, -1)
            last_row = b"\0" + samples[-1].tobytes()  # filter 0: as it is
            yield _cropped(stripe, stripe.height - rows, rows)


def _small_png(header: _Header, rows: int, piece: bytes, last_row: bytes) -> bytes:
    """A PNG of `last_row` (may be empty) and the filtered rows in `piece`, hardly compressed."""
    height = rows + bool(last_row)
    pixels = zlib.compress(last_row + piece[: rows * header.row_bytes], 0)
    ihdr = struct.pack(">IIBBBBB", header.width, height, 8, header.colour_type, 0, 0, 0)
    parts = [_chunk(b"IHDR", ihdr), header.chunks, _chunk(b"IDAT", pixels), _chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(parts)


def _filtered_rows(data: bytes, piece_bytes: int) -> Iterator[bytes]:
    """The inflated pixel data in pieces of `piece_bytes`; the last may be shorter."""
    gathered = bytearray()
    for block in _inflated(data):
        gathered += block
        while len(gathered) >= piece_bytes:
            yield bytes(gathered[:piece_bytes])
            del gathered[:piece_bytes]
    if gathered:
        yield bytes(gathered)


def _inflated(data: bytes) -> Iterator[bytes]:
    """The inflated IDAT chunks, a megabyte or less at a time: a bomb is not unpacked at once."""
    inflater = zlib.decompressobj()
    for kind, content in _chunks(data):
        if kind != b"IDAT":
            continue
        waiting = bytes(content)
        while waiting:
            yield inflater.decompress(waiting, _INFLATE_BYTES)
            waiting = inflater.unconsumed_tail
    yield inflater.flush()


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(kind, content) of each chunk; raises ValueError at the first broken one."""
    view, position = memoryview(data), len(_SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", view, position)
        content = view[position + 8 : position + 8 + length]
        end = position + 8 + length
        if end + 4 > len(data):
            raise ValueError(f"truncated PNG: chunk {kind!r} ends after the file")
        (checksum,) = struct.unpack_from(">I", view, end)
        if zlib.crc32(content, zlib.crc32(kind)) != checksum:
            raise ValueError(f"broken PNG: wrong checksum in chunk {kind!r}")
        yield kind, content
        position = end + 4


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
