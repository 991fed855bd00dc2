"""The file that says which line of its list a record of a database is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.sources.picture_list import Entry
from digits.sources.record_index import INDEX_FILE, RecordIndexWriter, entry_of, read_index

LINES = ["/pictures/a b.png 3", "http://a/ü.png 0", "c.png 3"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A folder with the index of the lines, the last one first, and the list beside it."""
    folder = tmp_path / "val_db"
    folder.mkdir()
    text = "".join(f"{line}\n" for line in LINES).encode()
    (tmp_path / "val.txt").write_bytes(text)
    starts = [text.index(line.encode()) for line in LINES]
    with RecordIndexWriter(folder) as index:
        index.add([starts[2]], [3])
        index.add([starts[0], starts[1]], [3, 0])
    return folder


def test_labels_are_known_without_the_database(database: Path) -> None:
    index = read_index(database, 3)
    assert index is not None
    assert index["label"].tolist() == [3, 3, 0]


@pytest.mark.parametrize("records", [0, 2, 4])
def test_the_index_of_other_records_is_none(database: Path, records: int) -> None:
    assert read_index(database, records) is None
    assert read_index(database.parent, 3) is None


def test_the_line_of_a_record_is_found(database: Path) -> None:
    found = [entry_of(database, database.parent / "val.txt", number) for number in range(3)]
    assert found == [
        Entry("c.png", 3), Entry("/pictures/a b.png", 3), Entry("http://a/ü.png", 0)
    ]  # fmt: skip


@pytest.mark.parametrize("number", [-1, 3, 10**30])
def test_there_is_no_line_of_a_record_that_is_not_there(database: Path, number: int) -> None:
    assert entry_of(database, database.parent / "val.txt", number) is None


@pytest.mark.parametrize("changed", [b"", b"\xff\xfe 3\n", b"c.png 4\n", b"x" * 100_000, None])
def test_a_list_that_was_changed_gives_no_name(database: Path, changed: bytes | None) -> None:
    path = database.parent / "val.txt"
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)
    assert entry_of(database, path, 1) is None


def test_without_an_index_no_name_is_known(database: Path) -> None:
    (database / INDEX_FILE).unlink()
    assert entry_of(database, database.parent / "val.txt", 0) is None
