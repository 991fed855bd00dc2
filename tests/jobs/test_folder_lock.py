"""One server a jobs directory: the lock is the kernel's, and its file says who holds it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from digits.errors import StorageError
from digits.jobs.folder_lock import LOCK_FILE, FolderLock
from tests.disks import Disk

HOLD = """
import sys, pathlib
from digits.jobs.folder_lock import FolderLock
lock = FolderLock(pathlib.Path(sys.argv[1]))
lock.take()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.take()
    with pytest.raises(StorageError, match=rf"in use by another .*process {os.getpid()} on "):
        second.take()
    first.release()
    second.take()
    second.release()


def test_releasing_twice_does_nothing(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.release()
    lock.take()
    lock.release()
    lock.release()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        lock = FolderLock(tmp_path)
        with pytest.raises(StorageError, match=f"process {holder.pid} on "):
            lock.take()
        holder.kill()
        holder.wait()
    lock.take()
    lock.release()


def test_a_patient_one_waits_for_the_holder_to_go(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path, wait_s=60)
    first.take()
    waiting = threading.Thread(target=second.take)
    waiting.start()
    first.release()
    waiting.join()
    third = FolderLock(tmp_path)
    with pytest.raises(StorageError):
        third.take()
    second.release()


def test_a_folder_that_cannot_be_written_is_used_without_a_lock(
    small_disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    small_disk.make_read_only()
    FolderLock(small_disk.path).take()
    assert "cannot be locked: Read-only file system" in caplog.text


def test_a_full_disk_can_be_locked(small_disk: Disk) -> None:
    (small_disk.path / LOCK_FILE).touch()
    small_disk.fill()
    lock = FolderLock(small_disk.path)
    lock.take()
    with pytest.raises(StorageError, match="in use"):
        FolderLock(small_disk.path).take()
    lock.release()
