"""Files are written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from digits.base.atomic import atomic_write, sync_folder, write_text


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "list"
    with atomic_write(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_content_stays_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "list"
    write_text(path, "old")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"new")
            raise RuntimeError("out of ideas")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".list.part").write_text("a much longer text of a writer that was killed")
    write_text(tmp_path / "list", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["list"]
    assert (tmp_path / "list").read_text() == "new"


def test_the_folder_s_owner_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "list", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "list").stat().st_mode) == 0o640


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "gone" / "list", "new")


def test_half_a_surrogate_pair_becomes_an_escape(tmp_path: Path) -> None:
    write_text(tmp_path / "list", '"caf\udce9"')
    assert (tmp_path / "list").read_bytes() == b'"caf\\udce9"'


def test_file_and_folder_are_flushed_before_anybody_relies_on_them(tmp_path: Path) -> None:
    flushed: list[str] = []

    def sync(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    write_text(tmp_path / "list", "new", sync)
    assert flushed == [str(tmp_path / ".list.part"), str(tmp_path)]


def test_content_and_name_survive_a_power_cut(tmp_path: Path) -> None:
    flushed = []

    def sync(descriptor: int) -> None:
        flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))

    write_text(tmp_path / "list", "new", sync)
    content, folder = flushed
    assert content.parent == folder == tmp_path
    flushed.clear()
    sync_folder(tmp_path, sync)
    assert flushed == [tmp_path]
