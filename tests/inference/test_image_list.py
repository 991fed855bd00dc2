"""Lists of pictures: what a line says, and what a list may not be."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from digits.inference.image_list import (
    LONGEST_LINE_BYTES,
    Entry,
    ListError,
    Opener,
    joined,
    lines_of,
    parse_lines,
)
from digits.sources.paths import PathPolicy


def entries(data: bytes, labels: int = 3, limit: int | None = None) -> list[Entry]:
    parsed = parse_lines(lines_of(io.BytesIO(data)), labels, limit)
    return [entry for entry in parsed if entry is not None]


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (b"/a/b.png", Entry("/a/b.png")),
        (b"/a/b.png 2", Entry("/a/b.png", 2)),
        (b"/a/my cat.png\t1", Entry("/a/my cat.png", 1)),
        (b"/a/my cat.png", Entry("/a/my cat.png")),
        (b"\xef\xbb\xbf/a.png", Entry("/a.png")),
        (b"/a/b.png -1", Entry("/a/b.png -1")),
        (b"  http://x/y.png 0  \r", Entry("http://x/y.png", 0)),
    ],
)
def test_a_line_is_a_path_or_url_and_perhaps_a_label(line: bytes, entry: Entry) -> None:
    assert entries(line) == [entry]


def test_a_list_is_cut_at_its_limit() -> None:
    assert len(entries(b"a\nb\n\nc\n", limit=2)) == 2
    # What comes after the limit is not looked at.
    assert len(entries(b"a\nb\n\xff\n", limit=2)) == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ok 1\n\xff\xfe", "Line 2 is no UTF-8"),
        (b"a 1\nb 3\n", "Line 2 has the label 3, but there are 3 labels, 0 to 2"),
        (b"a\n" + b"x" * (LONGEST_LINE_BYTES + 1), "Line 2 has more than 16,384 bytes"),
        (bytes(range(256)) * 100, "Line 1 is no UTF-8"),
        (bytes(5000), "Line 1 is no UTF-8"),
        ("a.png 1\n".encode("utf-16-le"), "Line 1 is no UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_by_its_line(data: bytes, message: str) -> None:
    with pytest.raises(ListError, match=message):
        entries(data)


def test_a_million_empty_lines_take_no_memory() -> None:
    data = io.BytesIO(b"\n" * 1_000_000 + b"/a.png 1\n")
    tracemalloc.start()
    found = [entry for entry in parse_lines(lines_of(data), 3) if entry is not None]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [Entry("/a.png", 1)]
    assert peak < 1 << 20


def test_folders_are_joined_like_paths_and_urls() -> None:
    assert joined("/data/", "x.png") == "/data/x.png"
    assert joined("", "x.png") == "x.png"
    assert joined("/data", "/other/x.png") == "/other/x.png"
    assert joined("http://host/a", "x.png") == "http://host/a/x.png"
    assert joined("/data", "http://host/x.png") == "http://host/x.png"


def test_pictures_are_opened_as_they_are_needed_and_reasons_kept(tmp_path: Path) -> None:
    (tmp_path / "0.png").touch()
    opener = Opener(str(tmp_path), PathPolicy([str(tmp_path)], tmp_path))
    asked: list[int] = []

    def endless() -> Iterator[Entry]:
        for number in range(1_000_000):
            asked.append(number)
            yield Entry(f"{number % 3}.png" if number % 3 < 2 else "/etc/passwd")

    found = list(islice(opener.open_all(endless()), 3))
    assert found == [tmp_path / "0.png", b"", b""]
    assert len(asked) < 100
    assert opener.reasons[1] == "There is no such file on the server."
    assert "outside the folders that may be read" in opener.reasons[2]
