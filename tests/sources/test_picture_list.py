"""Lists of pictures: what a line says, what a list may not be, and that all who read one agree."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from digits.errors import ToolError
from digits.inference.opening import Opener
from digits.sources.downloads import Downloader
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import (
    LONGEST_LINE_BYTES,
    Entry,
    ListError,
    PictureList,
    is_url,
    joined,
    lines_of,
    parse_lines,
    told_apart,
)
from digits.sources.url_policy import ANYWHERE
from digits.tools.parse_textfile import ListSource, parse_textfiles
from digits.tools.records import _download
from tests.tools.web import send, serving


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
        (b"/a/b.png +1", Entry("/a/b.png", 1)),
        (b"/a/b.png -0", Entry("/a/b.png", 0)),
        (b"/a/b.png 0000000000002", Entry("/a/b.png", 2)),
        (b"/a/b.png 1.0", Entry("/a/b.png 1.0")),
        (b"/a/b.png 1x", Entry("/a/b.png 1x")),
        (b"/a/b.png 1_0", Entry("/a/b.png 1_0")),
        (b"/a/b.png +-1", Entry("/a/b.png +-1")),
        ("/a/b.png ٢".encode(), Entry("/a/b.png ٢")),
        ("/a/b\u00a02".encode(), Entry("/a/b\u00a02")),
        ("/a/b\u3000 2".encode(), Entry("/a/b\u3000", 2)),
        (b"1", Entry("1")),
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
        (b"ok 1\n\xff\xfe", "Line 2 is not UTF-8"),
        (b"a\n" + b"x" * (LONGEST_LINE_BYTES + 1), "Line 2 has more than 16,384 bytes"),
        (b"a -1\n", "Line 1 has the label -1. Labels count from 0"),
        (bytes(range(256)) * 100, "Line 1 is not UTF-8"),
        (bytes(5000), "Line 1 is not UTF-8"),
        ("a.png 1\n".encode("utf-16-le"), "Line 1 is not UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_by_its_line(data: bytes, message: str) -> None:
    with pytest.raises(ListError, match=message):
        entries(data)


@pytest.mark.parametrize("label", [b"3", b"+3", b"0010", b"2147483648", b"9" * 40])
def test_of_pictures_to_classify_a_label_that_is_too_large_is_none(label: bytes) -> None:
    # One such line kept the whole list from being classified.
    assert entries(b"a 2\nb " + label + b"\nc 0\n") == [Entry("a", 2), Entry("b"), Entry("c", 0)]


@pytest.mark.slow
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
    assert joined("", "x.png") == joined(None, "x.png") == "x.png"
    assert joined("/data", "/other/x.png") == "/other/x.png"
    assert joined("http://host/a", "x.png") == "http://host/a/x.png"
    assert joined("HTTP://host/a/", "/x#y?z.png") == "HTTP://host/a/x%23y%3Fz.png"
    assert joined("/data", "http://host/x.png") == "http://host/x.png"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("http://h", True),
        (" HTTPS://h/x.png ", True),
        ("http://", False),
        ("http:///x", False),
        ("http:/h/x", False),
        ("ftp://h/x", False),
        ("http://[h/x", False),
        ("/http://h/x", False),
        ("", False),
    ],
)
def test_addresses_are_told_from_paths(text: str, answer: bool) -> None:
    assert is_url(text) is answer


# What a dataset is made of, and what is classified -----------------------------------------------

LABELS = ["cat", "dog", "emu"]


def as_a_dataset(data: bytes, folder: str, work: Path) -> list[tuple[str, int]] | str:
    """What `parse_textfile` makes of a list, or the word for its refusal."""
    (work / "list.txt").write_bytes(data)
    (work / "names.txt").write_text("\n".join(LABELS))
    source = ListSource(work / "list.txt", folder or None)
    try:
        parse_textfiles(work, work / "names.txt", {"train": source}, PathPolicy())
    except ToolError:
        return "refused"
    return [
        (entry.path if is_url(entry.path) else str(Path(entry.path).resolve()), entry.label)
        for entry in PictureList(work / "train.txt")
    ]


def as_pictures_to_classify(
    data: bytes, folder: str, work: Path
) -> list[tuple[str, int | None]] | str:
    """What an evaluation makes of a list whose every line must have a label."""
    try:
        parsed = parse_lines(lines_of(io.BytesIO(data)), len(LABELS))
        entries = [entry for entry in parsed if entry is not None]
    except ListError:
        return "refused"
    if any(entry.label is None for entry in entries):
        return "refused"
    opener = Opener(folder, PathPolicy([], work / "jobs"), Downloader(ANYWHERE))
    opened = list(opener.open_all(entries))
    if all(picture == b"" for picture in opened):
        return "refused"
    return [
        (str(picture) if isinstance(picture, Path) else joined(folder, entry.path), entry.label)
        for picture, entry in zip(opened, entries, strict=True)
    ]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of things that are called strangely."""
    folder = tmp_path.resolve() / "photos"
    (folder / "sub").mkdir(parents=True)
    names = ["a.png", "a b.png", "a#b.png", "a.png +", "a.png 1", "100%.png", "~", "sub/c.png"]
    for name in [*names, "b\u3000", "b\u00a02", "é.png", "x" * 200]:
        (folder / name).touch()
    return folder


LINES = [
    b"a.png 0",
    b"a.png +1",
    b"a.png -1",
    b"a.png -0",
    b"a.png 3",
    b"a.png 002",
    b"a.png 1.0",
    b"a.png 99999999999999999999",
    b"a.png",
    b"a b.png  2 ",
    b"a.png\t1\r",
    b"a.png 1 1",
    b"a.png + 1",
    b"a#b.png 1",
    b"100%.png 1",
    "é.png 2".encode(),
    "b\u3000 2".encode(),
    "b\u00a02".encode(),
    "b\u00a02 2".encode(),
    b"./sub/../a.png 0",
    b"sub/c.png 1\n\n   \n\xef\xbb\xbf",
    b"\xef\xbb\xbfa.png 1",
    b"~ 1",
    b"~/a.png 1",
    b"nothing.png 1",
    b"ftp://host/a.png 1",
    b"http:///a.png 1",
    b"a\0.png 1",
    b"\xff.png 1",
    b"x" * 200 + b" 1",
    b"x" * 300 + b" 1",
    b"x" * (LONGEST_LINE_BYTES - 2) + b" 1",
    b"x" * (LONGEST_LINE_BYTES - 1) + b" 1",
    b"",
    b"5",
]


@pytest.mark.parametrize("where", ["folder", "none", "absolute"])
@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_files_are_found_alike_by_all_who_read_a_list(
    line: bytes, where: str, photos: Path, tmp_path: Path
) -> None:
    data = (f"{photos}/".encode() if where == "absolute" else b"") + line + b"\n"
    folder = str(photos) if where == "folder" else ""
    assert as_a_dataset(data, folder, tmp_path) == as_pictures_to_classify(data, folder, tmp_path)


def test_behind_a_link_the_folder_above_is_the_same_for_all(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/inner").mkdir(parents=True)
    (tmp_path / "elsewhere/a.png").touch()
    (photos / "link").symlink_to(tmp_path / "elsewhere/inner")
    data = b"link/../a.png 1\n"
    [(listed, _)] = as_a_dataset(data, str(photos), tmp_path)
    [(opened, _)] = as_pictures_to_classify(data, str(photos), tmp_path)
    assert listed == opened == str((tmp_path / "elsewhere/a.png").resolve())


@pytest.fixture
def asked() -> list[str]:
    """The paths that the server was asked for."""
    return []


@pytest.fixture
def address(asked: list[str]) -> Iterator[str]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        send(request, b"picture")

    with serving(answer) as url:
        yield url


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("a#b.png 1", "/p/a%23b.png"),
        ("a?b=c.png 1", "/p/a%3Fb=c.png"),
        ("a b.png 1", "/p/a%20b.png"),
        ("a%20b.png 1", "/p/a%20b.png"),
        ("é.png 1", "/p/%C3%A9.png"),
        ("/abs.png 1", "/p/abs.png"),
        ("//abs.png 1", "/p/abs.png"),
        ("~/a.png 1", "/p/~/a.png"),
        ("a.png +1", "/p/a.png"),
        ("{}other/a#b.png 1", "/other/a"),
    ],
)
def test_addresses_are_asked_alike_by_all_who_read_a_list(
    line: str, path: str, address: str, asked: list[str], tmp_path: Path
) -> None:
    data = f"{line.format(address)}\n".encode()
    as_a_dataset(data, f"{address}p/", tmp_path)
    [entry] = PictureList(tmp_path / "train.txt")
    assert _download(entry, Downloader(ANYWHERE)).data == b"picture"
    assert as_pictures_to_classify(data, f"{address}p/", tmp_path) == [(entry.path, 1)]
    assert asked == [path, path]


def test_names_that_stand_more_than_once_get_their_numbers() -> None:
    assert told_apart(["crane", "heron", "crane"]) == ["crane (0)", "heron", "crane (2)"]
    # Even where another category is called so already.
    names = told_apart(["a (1)", "a", "a", "a (1) (1)"])
    assert names[0] == "a (1)"
    assert len(set(names)) == 4
    assert told_apart(names) == names
