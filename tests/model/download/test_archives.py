"""Archives are made a piece at a time and open with the ordinary tools."""

from __future__ import annotations

import io
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from digits.errors import NotPossible
from digits.model.download.archives import KINDS, PIECE_BYTES, Member, require_readable
from tests.odd_files import ODD_KINDS, put_in_place


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
    expected = {member.name: b"".join(member.pieces(member.size)) for member in members}
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


@pytest.mark.parametrize("extension", KINDS)
def test_a_file_that_grows_while_it_is_sent_is_sent_as_it_was(
    extension: str, tmp_path: Path
) -> None:
    """A log that grows as fast as it is read had no end in a zip archive."""
    path, size = tmp_path / "caffe_output.log", 5 * PIECE_BYTES
    content = random.Random(0).randbytes(size)
    path.write_bytes(content)
    data = b""
    for piece in KINDS[extension].make([Member("log", path)]):
        with path.open("ab") as file:
            file.write(b"more" * PIECE_BYTES)
        data += piece
    if extension == "tar.bz2":  # compresses the first piece into its buffer, and reads on
        assert contents(extension, data)["log"].startswith(content)
    else:
        assert contents(extension, data)["log"] == content


@pytest.mark.parametrize("extension", KINDS)
def test_a_file_that_becomes_shorter_or_a_pipe_while_it_is_sent_breaks_off(
    extension: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(random.Random(0).randbytes(40 * PIECE_BYTES))  # bzip2 holds back 900 kB
    later = tmp_path / "later"
    later.write_bytes(b"x")

    def members() -> list[Member]:
        return [Member("weights", path), Member("later", later)]

    pieces = iter(KINDS[extension].make(members()))
    next(pieces)
    put_in_place(later, "pipe")
    with pytest.raises(OSError, match="pipe"):
        list(pieces)
    later.unlink()
    later.write_bytes(b"x")
    pieces = iter(KINDS[extension].make(members()))
    next(pieces)
    os.truncate(path, PIECE_BYTES)
    with pytest.raises(OSError, match="shorter"):
        list(pieces)


@pytest.mark.parametrize("kind", ODD_KINDS)
def test_what_cannot_be_read_is_told_before_anything_is_sent(kind: str, tmp_path: Path) -> None:
    put_in_place(tmp_path / "weights", kind)
    with pytest.raises(NotPossible, match="weights cannot be read"):
        require_readable([Member("info.json", b"{}"), Member("weights", tmp_path / "weights")])
