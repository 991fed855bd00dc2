"""Read archives that strangers sent: what is in them, without what they could do.

Zip files and tars (plain, gzip, bzip2, xz) are read from front to back, a file at a time.  An
archive is refused as a whole when a name leads out of its folder, when it holds a link or a device,
or when it unpacks to far more than pictures do.
"""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Self

from digits.errors import ToolError

MAX_FILES = 10_000_000
# Pictures are compressed already: even flat ones drawn by a program stay below this.
MAX_RATIO = 200
# Below this no archive is a bomb, whatever its ratio.
HARMLESS_BYTES = 1 << 28
# A tiny picture has 70 bytes, and its place in an archive, its name above all, as much again.
LEAST_BYTES_A_FILE = 64
# Below this no archive is a bomb of files, however small it is.
HARMLESS_FILES = 10_000
_BLOCK_BYTES = 1 << 20
# Of the disk's free space; the rest is left to others, whatever an archive holds.
_USABLE_SHARE = 0.9
ARCHIVE_EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Member:
    """A regular file of an archive; its name is relative and stays inside.

    `offset` is how many bytes of the archive lie before it, or have been read so far.
    """

    name: PurePosixPath
    file: IO[bytes]
    offset: int


def members(archive: Path) -> Iterator[Member]:
    """The regular files of an archive; each must be read before the next is taken.

    Raises ToolError for one that does something it should not; use it within `archive_errors`.
    """
    found = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
    for count, member in enumerate(found, 1):
        if count > MAX_FILES:
            raise ToolError(f"The archive contains more than {MAX_FILES:,} files.")
        yield member


@contextmanager
def archive_errors(name: str) -> Iterator[None]:
    """What is found broken while the archive called `name` is read becomes a ToolError."""
    try:
        yield
    except MemoryError as error:
        raise ToolError(f"Reading the archive {name} takes too much memory.") from error
    except tarfile.ReadError as error:
        raise ToolError(
            f"{name} is not a zip or tar (plain, gzip, bzip2, xz), or it is damaged: {error}."
        ) from error
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's error, not the archive's
        raise ToolError(f"The archive {name} is damaged: {error}.") from error


def is_archive_name(name: str) -> bool:
    """Whether a file's name is that of an archive that can be unpacked."""
    return name.lower().endswith(ARCHIVE_EXTENSIONS)


class Budget:
    """How many bytes an archive may still unpack to, and how many files and folders.

    `free_files` is how many more the disk can name (inodes); None where it knows no limit.
    Messages call what should be in the archive `what`.
    """

    def __init__(
        self,
        archive_bytes: int,
        free_bytes: int,
        free_files: int | None = None,
        what: str = "pictures",
    ) -> None:
        self._what = what
        self._most = min(max(HARMLESS_BYTES, archive_bytes * MAX_RATIO), free_bytes)
        self._free = free_bytes
        self._used = 0
        self._free_files = free_files
        self._most_files = max(HARMLESS_FILES, archive_bytes // LEAST_BYTES_A_FILE)
        self._files = 0
        self._folders: set[PurePosixPath] = set()

    @classmethod
    def of_disk(cls, archive_bytes: int, folder: Path, what: str) -> Self:
        """That of an archive which is unpacked where `folder` is; OSError."""
        state = os.statvfs(folder)
        free_files = int(state.f_favail * _USABLE_SHARE) if state.f_files else None
        free_bytes = int(shutil.disk_usage(folder).free * _USABLE_SHARE)
        return cls(archive_bytes, free_bytes, free_files, what)

    def add(self, name: PurePosixPath) -> None:
        """Count a file and the folders that it needs; ToolError when there are too many."""
        new = {folder for folder in name.parents if folder.parts} - self._folders
        self._folders |= new
        self._files += 1 + len(new)
        if self._files > self._most_files:
            raise ToolError(
                f"The archive unpacks to more than {self._most_files:,} files and folders, too "
                f"many for its size. Pack only {self._what}."
            )
        if self._free_files is not None and self._files > self._free_files:
            raise ToolError(
                f"The archive contains more than {self._free_files:,} files and folders, and the "
                "disk has no room for more (inodes)."
            )

    def copy(self, source: IO[bytes], target: IO[bytes]) -> None:
        """Copy a member; raises ToolError when the archive has unpacked to too much."""
        while block := source.read(_BLOCK_BYTES):
            self._used += len(block)
            if self._used > self._most:
                raise ToolError(
                    f"The archive unpacks to more than {self._most:,} bytes, "
                    + (
                        "and the disk has no room for that."
                        if self._most == self._free
                        else f"over {MAX_RATIO} times its size. Pack only {self._what}."
                    )
                )
            target.write(block)


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            name = _safe_name(info.filename.replace("\\", "/"))
            mode = info.external_attr >> 16
            if info.is_dir():
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise ToolError(
                    f"The archive contains {info.filename!r}, which is not a regular file."
                )
            if info.flag_bits & 1:
                raise ToolError("The archive is protected by a password. Send one without.")
            with opened.open(info) as file:
                yield Member(name, file, info.header_offset)


def _tar_members(archive: Path) -> Iterator[Member]:
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as opened:
        for info in opened:
            name = _safe_name(info.name)
            if info.isdir():
                continue
            if not info.isreg():
                raise ToolError(f"The archive contains {info.name!r}, which is not a regular file.")
            file = opened.extractfile(info)
            if file is not None:
                yield Member(name, file, raw.tell())


def _safe_name(name: str) -> PurePosixPath:
    """Raises ToolError for a name that is absolute, leads upwards, or cannot be a file's name."""
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or drive or ".." in path.parts or "\0" in name:
        raise ToolError(f"The archive contains {name!r}, a path that leads out of the archive.")
    return path
