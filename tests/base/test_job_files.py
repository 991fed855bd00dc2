"""Small text files of jobs: read whole, refused where that takes for ever or all memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digits.base.job_files import (
    LARGEST_TEXT_BYTES,
    open_file,
    open_to_append,
    read_beginning,
    read_bytes,
    read_text,
    require_file,
)
from tests.odd_files import ODD_KINDS, put_in_place


def test_a_text_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffKäfer\n".encode())
    assert read_text(path) == "\ufeffKäfer\n"
    assert read_text(path, "utf-8-sig") == "Käfer\n"
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read_text(path)


def test_a_file_may_have_the_largest_size_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.touch()
    os.truncate(path, LARGEST_TEXT_BYTES)
    assert len(read_bytes(path)) == LARGEST_TEXT_BYTES
    os.truncate(path, 2**40)  # a file with holes
    with pytest.raises(OSError, match="larger than 16 MB"):
        read_bytes(path)


@pytest.mark.parametrize("kind", [*ODD_KINDS, "nothing"])
def test_what_is_no_file_is_told_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "labels.txt"
    put_in_place(path, kind)
    for use in (read_text, require_file, lambda path: read_beginning(path, 9)):
        with pytest.raises(OSError, match="labels"):
            use(path)
    if kind != "nothing":
        with pytest.raises(OSError, match="labels"):
            open_to_append(path)


def test_a_link_to_a_pipe_is_told_at_once(tmp_path: Path) -> None:
    put_in_place(tmp_path / "pipe", "pipe")
    (tmp_path / "labels.txt").symlink_to("pipe")
    with pytest.raises(OSError, match="labels"):
        read_text(tmp_path / "labels.txt")


def test_a_file_is_written_to_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "task.log"
    for line in (b"one\n", b"two\n"):
        with open_to_append(path) as file:
            assert file.tell() == (0 if line == b"one\n" else 4)
            assert os.get_blocking(file.fileno())
            file.write(line)
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o111 == 0


def test_the_beginning_of_a_text_may_end_in_the_middle_of_a_character(tmp_path: Path) -> None:
    path = tmp_path / "deploy.prototxt"
    path.write_text("nä")
    assert read_beginning(path, 2) == "n\ufffd"
    assert read_beginning(path, 99) == "nä"


def test_a_file_is_opened_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "caffe_output.log"
    path.write_bytes(b"a\nb\n")
    with open_file(path) as file:
        assert file.readlines() == [b"a\n", b"b\n"]
    assert file.closed
