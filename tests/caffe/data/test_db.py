"""Databases: order, sharing, and what is said of folders that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digits.caffe.data import db
from digits.caffe.errors import DataError


def write(path: Path, count: int, backend: str = db.LMDB) -> str:
    with db.Writer(str(path), backend) as writer:
        for index in reversed(range(count)):
            writer.put(b"%03d" % index, b"value %d" % index)
    return str(path)


@pytest.fixture(params=db.BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == db.LEVELDB:
        pytest.importorskip("plyvel", reason="LevelDB needs plyvel, which is optional")
    return str(request.param)


def test_records_come_in_key_order_and_from_the_start_again(tmp_path: Path, backend: str) -> None:
    with db.Reader(write(tmp_path / "db", 3, backend), backend) as reader:
        seen = []
        for _ in range(7):
            seen.append(reader.record()[0])
            reader.advance()
        assert seen == [b"000", b"001", b"002"] * 2 + [b"000"]
        assert (reader.offset, len(reader)) == (7, 3)


def test_a_reader_goes_on_at_a_key(tmp_path: Path, backend: str) -> None:
    with db.Reader(write(tmp_path / "db", 3, backend), backend) as reader:
        reader.seek(b"0010", 5)
        assert (reader.record(), reader.offset) == ((b"002", b"value 2"), 5)
        reader.seek(b"9", 6)
        assert reader.key() == b"000"


@pytest.mark.parametrize("named", ["folder", "file"])
def test_an_lmdb_that_is_cut_off_is_told_before_it_is_read(tmp_path: Path, named: str) -> None:
    """What used to happen: a training that was run by hand ended by SIGBUS, without a word."""
    path = Path(write(tmp_path / "db", 3000))
    os.truncate(path / "data.mdb", 20_000)
    with pytest.raises(DataError, match=r"cannot open the LMDB: its file data\.mdb is cut off"):
        db.Reader(str(path if named == "folder" else path / "data.mdb"))


def test_two_readers_of_one_database_do_not_disturb_each_other(
    tmp_path: Path, backend: str
) -> None:
    path = write(tmp_path / "db", 3, backend)
    with db.Reader(path, backend) as one:
        with db.Reader(str(tmp_path / "." / "db"), backend) as other:
            one.advance()
            assert (one.key(), other.key()) == (b"001", b"000")
        assert [key for key, _ in one.records()] == [b"000", b"001", b"002"]


def test_writing_grows_beyond_the_first_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "_FIRST_MAP_SIZE", 1 << 16)
    with db.Writer(str(tmp_path / "db")) as writer:
        for index in range(20):
            writer.put(b"%03d" % index, bytes(20_000))
    with db.Reader(str(tmp_path / "db")) as reader:
        assert len(reader) == 20


def test_a_missing_database_is_named(tmp_path: Path, backend: str) -> None:
    with pytest.raises(DataError, match="gone: No such file or directory"):
        db.Reader(str(tmp_path / "gone"), backend)


def test_a_folder_of_other_things_is_no_database(tmp_path: Path, backend: str) -> None:
    with pytest.raises(DataError, match="this folder is no L"):
        db.Reader(str(tmp_path), backend)


def test_a_foreign_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"no LMDB at all" * 1000)
    with pytest.raises(DataError, match="cannot open the LMDB"):
        db.Reader(str(tmp_path))


def test_an_empty_database_is_an_error(tmp_path: Path, backend: str) -> None:
    path = write(tmp_path / "db", 0, backend)
    with pytest.raises(DataError, match="database is empty"):
        db.Reader(path, backend)
    # The folder was let go of.
    assert not db._opened


def test_a_database_that_exists_is_not_overwritten(tmp_path: Path, backend: str) -> None:
    path = write(tmp_path / "db", 1, backend)
    with pytest.raises(DataError, match="exists already"):
        db.Writer(path, backend)


def test_a_database_in_a_folder_that_does_not_exist_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot make the database"):
        db.Writer(str(tmp_path / "no" / "db"))


def test_an_unknown_backend_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown database backend 'rocksdb'"):
        db.Reader(str(tmp_path), "rocksdb")
