"""Whether an LMDB file is whole, told before anything maps it into memory."""

from __future__ import annotations

import os
from pathlib import Path

import lmdb
import pytest

from digits.caffe.data.lmdb_file import DATA_FILE, missing_bytes, require_whole


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "train_db"
    with lmdb.open(str(folder), map_size=1 << 26) as env:
        for number in range(30):
            with env.begin(write=True) as writing:
                writing.put(b"%08d" % number, os.urandom(3000))
    return folder


def test_a_whole_file_lacks_nothing(database: Path) -> None:
    assert missing_bytes(database) == 0
    require_whole(database)


def test_a_file_longer_than_needed_lacks_nothing(database: Path) -> None:
    with (database / DATA_FILE).open("ab") as file:
        file.write(bytes(100_000))
    assert missing_bytes(database) == 0


def test_no_file_lacks_nothing(tmp_path: Path) -> None:
    assert missing_bytes(tmp_path) == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_told_with_what_it_lacks(database: Path, share: float) -> None:
    size = (database / DATA_FILE).stat().st_size
    os.truncate(database / DATA_FILE, int(share * size))
    assert missing_bytes(database) == size - int(share * size)
    with pytest.raises(ValueError, match=r"data\.mdb is cut off: [0-9,]+ bytes are missing"):
        require_whole(database)


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(8192), b"x" * 8192])
def test_what_is_no_lmdb_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATA_FILE).write_bytes(content)
    with pytest.raises(ValueError, match="no LMDB"):
        require_whole(tmp_path)
