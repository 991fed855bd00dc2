"""Whether a folder can be written, tried on file systems that really are full or read-only."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from digits.jobs import disk
from tests.disks import Disk


def test_a_folder_with_room_has_no_problem(tmp_path: Path) -> None:
    assert disk.writing_problem(tmp_path) is None
    assert disk.looks_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_nothing_is_left_on_it(small_disk: Disk) -> None:
    small_disk.fill()
    problem = disk.writing_problem(small_disk.path)
    assert problem is not None
    assert "the disk is full" in problem
    assert not disk.looks_writable(small_disk.path)
    small_disk.empty()
    assert disk.writing_problem(small_disk.path) is None
    assert list(small_disk.path.iterdir()) == []


def test_a_read_only_disk_is_named(small_disk: Disk) -> None:
    small_disk.make_read_only()
    assert "read-only" in (disk.writing_problem(small_disk.path) or "")
    assert not disk.looks_writable(small_disk.path)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    assert "it does not exist any more" in (disk.writing_problem(tmp_path / "gone") or "")
    assert not disk.looks_writable(tmp_path / "gone")


@pytest.mark.parametrize(
    ("number", "is_the_disk"),
    [(errno.ENOSPC, True), (errno.EROFS, True), (errno.EDQUOT, True), (errno.ENOENT, False)],
)
def test_only_some_errors_are_the_disk_s(number: int, is_the_disk: bool) -> None:
    assert disk.is_storage_error(OSError(number, os.strerror(number))) == is_the_disk
