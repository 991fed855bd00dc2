"""Archives are made a piece at a time and open with the ordinary tools."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from digits.model.download.archives import KINDS, PIECE_BYTES, Member


@pytest.fixture
def members(tmp_path: Path) -> list[Member]:
    large = tmp_path / "large"
    large.write_bytes(random.Random(0).randbytes(3 * PIECE_BYTES + 17))
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    return [
        Member("info.json", b"{}\n"),
        Member("snapshot_iter_9.caffemodel", large),
        Member("empty.txt", empty),
    ]


def contents(extension: str, data: bytes) -> dict[str, bytes]:
    if extension == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {}
        for info in archive:
            file = archive.extractfile(info)
            assert file is not None
            found[info.name] = file.read()
        return found


@pytest.mark.parametrize("extension", KINDS)
def test_every_kind_holds_the_files_whole(extension: str, members: list[Member]) -> None:
    data = b"".join(KINDS[extension].make(members))
    expected = {member.name: b"".join(member.pieces()) for member in members}
    assert contents(extension, data) == expected


def test_kinds_are_the_promised_ones() -> None:
    assert set(KINDS) == {"tar", "tar.gz", "tgz", "tar.bz2", "zip"}


@pytest.mark.parametrize("extension", ["tar.gz", "tgz", "tar.bz2"])
def test_compressed_archives_are_compressed(extension: str) -> None:
    data = b"".join(KINDS[extension].make([Member("zeros", b"\0" * 1_000_000)]))
    assert len(data) < 10_000


@pytest.mark.parametrize("extension", KINDS)
def test_a_large_file_is_never_held_in_memory(extension: str, tmp_path: Path) -> None:
    size = 40 * PIECE_BYTES
    path = tmp_path / "weights"
    path.write_bytes(random.Random(0).randbytes(size))
    pieces: Iterator[bytes] = KINDS[extension].make([Member("weights", path)])
    # bzip2 works on blocks of 900 kB.
    assert max(len(piece) for piece in pieces) < size / 2


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    for kind in KINDS.values():
        with pytest.raises(FileNotFoundError):
            list(kind.make([Member("gone", tmp_path / "gone")]))
