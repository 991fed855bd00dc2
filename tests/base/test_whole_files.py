"""A file whole or not at all: the engine's way and that of everybody else are the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import h5py
import pytest

from digits.base.atomic import atomic_write
from digits.caffe.formats.files import written_whole

Writer = Callable[[Path], AbstractContextManager[IO[bytes]]]


@contextmanager
def engine_write(path: Path) -> Iterator[IO[bytes]]:
    with written_whole(path) as part, open(part, "wb") as file:
        yield file


@pytest.fixture(params=[atomic_write, engine_write])
def write(request: pytest.FixtureRequest) -> Writer:
    writer: Writer = request.param
    return writer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_hidden_until_it_is_whole(write: Writer, tmp_path: Path) -> None:
    with write(tmp_path / "list") as file:
        file.write(b"half")
        assert names(tmp_path) == [".list.part"]
    assert names(tmp_path) == ["list"]


def test_a_file_whose_writing_fails_stays_as_it_was(write: Writer, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("old")

    def fail() -> None:
        with write(tmp_path / "list") as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path) == ["list"]
    assert (tmp_path / "list").read_text() == "old"


def test_what_a_killed_writer_left_is_overwritten(write: Writer, tmp_path: Path) -> None:
    (tmp_path / ".list.part").write_text("a much longer text of a writer that was killed")
    with write(tmp_path / "list") as file:
        file.write(b"new")
    assert names(tmp_path) == ["list"]
    assert (tmp_path / "list").read_text() == "new"


def test_nothing_of_a_killed_writer_is_in_a_file_that_stays_empty(
    write: Writer, tmp_path: Path
) -> None:
    (tmp_path / ".list.part").write_text("left")
    with write(tmp_path / "list"):
        pass
    assert (tmp_path / "list").read_bytes() == b""


@pytest.mark.parametrize("other", [atomic_write, engine_write])
def test_two_writers_at_once_each_write_a_whole_file(
    write: Writer, other: Writer, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    with write(path) as first:
        first.write(b"first")
        first.flush()
        with other(path) as second:
            second.write(b"the second one")
        assert path.read_bytes() == b"the second one"
        first.write(b" to the end")
    assert path.read_bytes() == b"first to the end"
    assert names(tmp_path) == ["list"]


def test_many_writers_in_many_threads_leave_the_file_of_one(write: Writer, tmp_path: Path) -> None:
    path = tmp_path / "list"
    contents = [bytes([65 + number]) * 5000 for number in range(8)]

    def write_often(content: bytes) -> None:
        for _ in range(10):
            with write(path) as file:
                file.write(content[:2500])
                file.flush()
                file.write(content[2500:])

    threads = [threading.Thread(target=write_often, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert names(tmp_path) == ["list"]


def test_a_writer_in_another_process_is_seen_until_it_is_killed(
    write: Writer, tmp_path: Path
) -> None:
    code = (
        "import sys, pathlib\n"
        "from digits.base.atomic import atomic_write\n"
        "with atomic_write(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); print('ready', flush=True); sys.stdin.read()\n"
    )
    path = tmp_path / "list"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with write(path) as file:
            file.write(b"mine")
        assert (tmp_path / ".list.part").read_bytes() == b"half"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names(tmp_path) == [".list.part", "list"]
    with write(path) as file:
        file.write(b"again")
    assert names(tmp_path) == ["list"]
    assert path.read_bytes() == b"again"


def test_hdf5_which_locks_what_it_writes_is_written_whole_too(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    with written_whole(path) as part, h5py.File(part, "w") as file:
        file["data"] = [1, 2]
    with h5py.File(path) as file:
        assert list(file["data"]) == [1, 2]


def test_the_rights_of_a_new_file_follow_the_umask(write: Writer, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with write(tmp_path / "list"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "list").stat().st_mode & 0o777 == 0o640
