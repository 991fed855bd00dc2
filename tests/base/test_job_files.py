"""Small text files of jobs: read whole, refused where that takes for ever or all memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digits.base.job_files import LARGEST_TEXT_BYTES, open_file, read_bytes, read_text


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


@pytest.mark.parametrize("kind", ["pipe", "link to pipe", "device", "folder", "circle", "nothing"])
def test_what_is_no_file_is_told_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "labels.txt"
    if "pipe" in kind:
        os.mkfifo(tmp_path / "pipe")
    match kind:
        case "pipe":
            path = tmp_path / "pipe"
        case "link to pipe":
            path.symlink_to("pipe")
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "circle":
            path.symlink_to(path.name)
    with pytest.raises(OSError, match="labels|pipe"):
        read_text(path)


def test_a_file_is_opened_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "caffe_output.log"
    path.write_bytes(b"a\nb\n")
    with open_file(path) as file:
        assert file.readlines() == [b"a\n", b"b\n"]
    assert file.closed
