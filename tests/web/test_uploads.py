"""Large uploads go to the disk of the jobs directory and are moved, not copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from werkzeug.datastructures import FileStorage

from digits.errors import StorageError
from digits.jobs.store import JobStore
from digits.web.uploads import UploadedFile, keep
from tests.disks import Disk


def store_at(folder: Path) -> JobStore:
    folder.mkdir(exist_ok=True)
    return JobStore(folder, [])


def test_a_kept_upload_is_the_file_that_was_written(tmp_path: Path) -> None:
    store = store_at(tmp_path / "jobs")
    upload = UploadedFile(store)
    written = os.fstat(upload._file.fileno()).st_ino
    for _ in range(3):
        upload.write(b"some pictures")
    upload.seek(0)
    assert upload.read(4) == b"some"
    keep(FileStorage(upload, "a.zip"), store.jobs_dir / "archive")
    upload.close()
    kept = store.jobs_dir / "archive"
    assert kept.read_bytes() == b"some pictures" * 3
    if upload._has_place:
        assert kept.stat().st_ino == written
    assert os.access(kept, os.W_OK)


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    store = store_at(tmp_path / "jobs")
    upload = UploadedFile(store)
    upload.write(bytes(100_000))
    upload.close()
    assert list(store.jobs_dir.iterdir()) == []


def test_an_upload_to_another_disk_is_copied(tmp_path: Path, small_disk: Disk) -> None:
    upload = UploadedFile(store_at(tmp_path / "jobs"))
    upload.write(b"some pictures")
    keep(FileStorage(upload, "a.zip"), small_disk.path / "archive")
    upload.close()
    assert (small_disk.path / "archive").read_bytes() == b"some pictures"


def test_an_upload_that_fills_the_disk_is_told_as_such(small_disk: Disk) -> None:
    upload = UploadedFile(store_at(small_disk.path / "jobs"))
    small_disk.fill()
    with pytest.raises(StorageError, match="the disk is full"):
        upload.write(bytes(1 << 20))
    upload.close()
