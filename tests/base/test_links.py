"""Files in a second place, without taking room where that can be."""

from __future__ import annotations

from pathlib import Path

from digits.base.links import link_or_copy


def test_a_file_gets_a_second_name(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("content")
    link_or_copy(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").samefile(tmp_path / "one")
    (tmp_path / "one").unlink()
    assert (tmp_path / "two").read_text() == "content"


def test_a_folder_comes_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "one" / "inner").mkdir(parents=True)
    (tmp_path / "one" / "inner" / "file").write_text("content")
    link_or_copy(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two" / "inner" / "file").read_text() == "content"
    assert (tmp_path / "two" / "inner" / "file").stat().st_nlink == 2


def test_what_cannot_be_linked_is_copied(tmp_path: Path) -> None:
    link_or_copy(Path("/proc/self/status"), tmp_path / "copy")
    assert "Name:" in (tmp_path / "copy").read_text()
