"""Looking into a log: each line once, whatever its size, and searches that come to an end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digits.jobs import log_reader
from digits.jobs.log_reader import last_lines, lines_before, lines_from, search, search_words
from tests.selection import examples

LINES = [f"I0421 14:06:{number:02} solver.cpp:228] Iteration {number}" for number in range(60)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "caffe_output.log"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


def texts(part: log_reader.LogPart) -> list[str]:
    return [line.text for line in part.lines]


def test_the_last_lines_are_shown_and_then_those_before(log: Path) -> None:
    part = last_lines(log, 10, growing=False)
    assert texts(part) == LINES[-10:]
    assert part.end == part.size == log.stat().st_size
    assert texts(lines_before(log, part.start, 10)) == LINES[-20:-10]
    assert texts(lines_before(log, 0, 10)) == []


def test_lines_from_the_middle_of_a_line_begin_with_that_line(log: Path) -> None:
    place = lines_from(log, 0, 5, growing=False).end
    assert texts(lines_from(log, place + 7, 3, growing=False)) == LINES[5:8]


def test_what_is_appended_is_read_from_the_end_on(log: Path) -> None:
    end = last_lines(log, 1, growing=True).end
    with log.open("a") as file:
        file.write("one\ntw")
    part = lines_from(log, end, 100, growing=True)
    assert texts(part) == ["one"]
    with log.open("a") as file:
        file.write("o")
    assert texts(lines_from(log, part.end, 100, growing=True)) == []
    assert texts(lines_from(log, part.end, 100, growing=False)) == ["two"]
    assert texts(last_lines(log, 2, growing=False)) == ["one", "two"]
    assert texts(last_lines(log, 1, growing=True)) == ["one"]


def test_a_search_ignores_case_and_goes_both_ways(log: Path) -> None:
    words = search_words("iteration 3")
    found = search(log, words, 0)
    assert texts(lines_from(log, found.at or 0, 1, growing=False)) == [LINES[3]]
    after = lines_from(log, found.at or 0, 1, growing=False).end
    found = search(log, words, after)
    assert texts(lines_from(log, found.at or 0, 1, growing=False)) == [LINES[30]]
    back = search(log, words, found.at or 0, forward=False)
    assert texts(lines_from(log, back.at or 0, 1, growing=False)) == [LINES[3]]
    nothing = search(log, search_words("no such words"), 0)
    assert nothing.at is None
    assert nothing.is_over


def test_failures_are_found_by_what_their_lines_hold(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("fine\nF0421 net.cpp:1] Check failed: top\nfine\nMemoryError: no room\nfine\n")
    words = log_reader.ERROR_WORDS
    first = search(log, words, 0)
    assert texts(lines_from(log, first.at or 0, 1, growing=False))[0].startswith("F0421")
    last = search(log, words, log.stat().st_size, forward=False)
    assert texts(lines_from(log, last.at or 0, 1, growing=False)) == ["MemoryError: no room"]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a few bytes, so that everything reaches over their ends."""
    monkeypatch.setattr(log_reader, "PART_BYTES", 16)
    monkeypatch.setattr(log_reader, "BLOCK_BYTES", 5)
    monkeypatch.setattr(log_reader, "SEARCH_BYTES", 10)


@pytest.mark.slow
@pytest.mark.usefixtures("small_pieces")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200))
@given(
    text=st.lists(st.text("abX", max_size=40), max_size=12).map(lambda lines: "\n".join(lines)),
    count=st.integers(1, 4),
)
def test_walking_through_a_log_shows_every_byte_once(tmp_path: Path, text: str, count: int) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    size, at = path.stat().st_size, 0
    forward: list[tuple[int, str]] = []
    while at < size:
        part = lines_from(path, at, count, growing=False)
        assert part.start == at < part.end
        forward += [(line.at, line.text) for line in part.lines]
        at = part.end
    lines = _joined(forward)
    assert lines == text.split("\n")[: len(lines)]
    assert sum(len(line) for _, line in forward) == len(text.replace("\n", ""))

    at, back = size, 0
    while at > 0:
        part = lines_before(path, at, count)
        assert part.start < part.end == at
        back += sum(len(line.text) for line in part.lines)
        at = part.start
    assert back == len(text.replace("\n", ""))


def _joined(pieces: list[tuple[int, str]]) -> list[str]:
    """Lines out of pieces: one that begins where the one before ends goes on with it."""
    lines: list[str] = []
    end = -1
    for at, text in pieces:
        if at == end:
            lines[-1] += text
        else:
            lines.append(text)
        end = at + len(text)
    return lines


@pytest.mark.usefixtures("small_pieces")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200))
@given(text=st.text("ab\n", max_size=60), word=st.text("ab", min_size=1, max_size=4))
def test_searching_on_finds_every_match_in_any_pieces(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    first, at = None, 0
    while True:
        found = search(path, search_words(word), at)
        if found.is_over:
            first = found
            break
        assert found.looked_to > at
        at = found.looked_to
    assert (first.at is not None) == (word in text)
    last, at = None, len(text)
    while True:
        found = search(path, search_words(word), at, forward=False)
        if found.is_over:
            last = found
            break
        assert found.looked_to < at
        at = found.looked_to
    assert (last.at is not None) == (word in text)


def test_a_long_line_is_shown_cut_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("x" * 5000 + "\n")
    [line] = lines_from(path, 0, 1, growing=False).lines
    assert line.text.endswith("(3,000 characters more)")


def test_an_empty_log_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    assert texts(last_lines(path, 10, growing=True)) == []
    assert texts(lines_from(path, 100, 10, growing=False)) == []
    assert search(path, search_words("a"), 0).is_over


def test_bytes_that_are_no_text_are_shown_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe\x00ok\r\n")
    assert texts(last_lines(path, 1, growing=False)) == ["\ufffd\ufffd\x00ok"]
