"""Archives that are made while they are sent: tar, gzip or bzip2 around it, and zip.

In: names and where their bytes are.  Out: the archive piece by piece; no file and no archive is
ever held in memory whole, and nothing is written to disk.
"""

from __future__ import annotations

import bz2
import io
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from digits.base.job_files import open_file
from digits.errors import FormError, NotPossible

PIECE_BYTES = 64 * 1024
# Trained weights hardly shrink, so more effort would only make the reader wait.
GZIP_LEVEL = 1
GZIP_WINDOW = 16 + zlib.MAX_WBITS  # zlib's way to ask for gzip's header
TAR_BLOCK = 512


@dataclass(frozen=True)
class Member:
    """A file of an archive: its name there, and either its path on disk or its bytes."""

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """Bytes of the file; OSError when it is not there."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return self.content.stat().st_size

    def check(self) -> None:
        """Raise NotPossible when the file is not there, cannot be read, or is a pipe or device."""
        try:
            with self._open():
                pass
        except OSError as error:
            raise NotPossible(
                f"The archive cannot be made: {self.name} cannot be read: {error.strerror}."
            ) from error

    def pieces(self, size: int) -> Iterator[bytes]:
        """The first `size` bytes, a piece at a time: a file may grow while it is sent.

        Raises OSError when it has become shorter, or cannot be read.
        """
        left = size
        with self._open() as file:
            while piece := file.read(min(PIECE_BYTES, left)):
                left -= len(piece)
                yield piece
        if left:
            raise OSError(f"{self.name} became shorter while it was being sent")

    def _open(self) -> io.BufferedReader | io.BytesIO:
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        return open_file(self.content)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _NoCompressor:
    """Passes bytes through."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def tar(members: Sequence[Member], compressor: _Compressor) -> Iterator[bytes]:
    """A tar archive through a compressor.  OSError when a file goes away in the middle of it."""
    for member in members:
        info = tarfile.TarInfo(member.name)
        info.size, info.mtime = member.size, int(time.time())
        yield from _nonempty(compressor.compress(info.tobuf()))
        for piece in member.pieces(info.size):
            yield from _nonempty(compressor.compress(piece))
        yield from _nonempty(compressor.compress(b"\0" * (-info.size % TAR_BLOCK)))
    yield from _nonempty(compressor.compress(b"\0" * 2 * TAR_BLOCK) + compressor.flush())


def zipped(members: Sequence[Member]) -> Iterator[bytes]:
    """A zip archive."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=GZIP_LEVEL) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name, time.localtime()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            size = member.size
            # Sizes above 4 GB need a longer header, which must be decided before they are known.
            with archive.open(info, "w", force_zip64=size > zipfile.ZIP64_LIMIT) as file:
                for piece in member.pieces(size):
                    file.write(piece)
                    yield from _nonempty(sink.take())
            yield from _nonempty(sink.take())
    yield from _nonempty(sink.take())


def _gzip() -> _Compressor:
    return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)


def require_readable(members: Sequence[Member]) -> None:
    """Raise NotPossible where a file of them cannot be read.

    Asked before anything is sent: an answer that has begun can only break off.
    """
    for member in members:
        member.check()


@dataclass(frozen=True)
class ArchiveKind:
    """How an extension is made, and what browsers are told it is."""

    media_type: str
    make: Callable[[Sequence[Member]], Iterator[bytes]]


KINDS = {
    "tar": ArchiveKind("application/x-tar", lambda members: tar(members, _NoCompressor())),
    "tar.gz": ArchiveKind("application/gzip", lambda members: tar(members, _gzip())),
    "tgz": ArchiveKind("application/gzip", lambda members: tar(members, _gzip())),
    "tar.bz2": ArchiveKind(
        "application/x-bzip2", lambda members: tar(members, bz2.BZ2Compressor())
    ),
    "zip": ArchiveKind("application/zip", zipped),
}


def kind_of(extension: str) -> ArchiveKind:
    """The kind of archive; FormError when there is none with this extension."""
    if extension not in KINDS:
        raise FormError(
            {
                "extension": [
                    f"There is no archive of the kind {extension[:40]!r}. Choose one of: "
                    f"{', '.join(KINDS)}."
                ]
            }
        )
    return KINDS[extension]


class _Sink(io.RawIOBase):
    """A file to write to that gives what was written, and cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _nonempty(data: bytes) -> Iterator[bytes]:
    if data:
        yield data
