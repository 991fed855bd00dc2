"""Reading a growing log: whole lines, each once, whatever a program writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.jobs.log_follower import (
    ATTEMPT_MARK,
    LONGEST_LINE_BYTES,
    LONGEST_SHOWN,
    LogFollower,
    last_lines,
    mark_attempt,
)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "task.log"


def test_a_line_is_given_once_it_is_whole(path: Path) -> None:
    follower = LogFollower(path)
    append(path, b"one\ntw")
    assert list(follower.new_lines()) == ["one"]
    assert list(follower.new_lines()) == []
    append(path, b"o\nthree\n")
    assert list(follower.new_lines()) == ["two", "three"]
    assert list(follower.last_line()) == []


def test_what_stands_after_the_last_newline_is_given_at_the_end(path: Path) -> None:
    append(path, b"one\ncut off\r")
    follower = LogFollower(path)
    assert list(follower.new_lines()) == ["one"]
    assert list(follower.last_line()) == ["cut off"]
    assert list(follower.last_line()) == []


def test_a_file_that_appears_later_is_read(path: Path) -> None:
    follower = LogFollower(path)
    assert list(follower.new_lines()) == []
    assert list(follower.last_line()) == []
    append(path, b"here\n")
    assert list(follower.new_lines()) == ["here"]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"windows\r\nunix\n", ["windows", "unix"]),
        (b"\n\n", ["", ""]),
        (b"caf\xe9 \xff\n", ["caf� �"]),
        ("Zoë\n".encode(), ["Zoë"]),
        (b"nul \0 byte\n", ["nul \0 byte"]),
    ],
)
def test_any_bytes_become_lines(path: Path, data: bytes, lines: list[str]) -> None:
    append(path, data)
    assert list(LogFollower(path).new_lines()) == lines


def test_a_character_cut_between_two_writes_is_whole(path: Path) -> None:
    follower = LogFollower(path)
    data = "Zoë\n".encode()
    append(path, data[:3])
    assert list(follower.new_lines()) == []
    append(path, data[3:])
    assert list(follower.new_lines()) == ["Zoë"]


def test_an_endless_line_does_not_fill_the_memory(path: Path) -> None:
    append(path, b"x" * (3 * LONGEST_LINE_BYTES) + b"\nnext\n")
    pieces = list(LogFollower(path).new_lines())
    assert pieces[-1] == "next"
    assert max(len(piece) for piece in pieces) < LONGEST_LINE_BYTES + 100_000
    assert sum(len(piece) for piece in pieces[:-1]) == 3 * LONGEST_LINE_BYTES


def test_many_lines_come_complete_and_in_order(path: Path) -> None:
    lines = [f"line {number} {'.' * (number % 90)}" for number in range(20_000)]
    append(path, "".join(line + "\n" for line in lines).encode())
    assert list(LogFollower(path).new_lines()) == lines


def test_following_can_begin_at_a_position(path: Path) -> None:
    append(path, b"old\nnew\n")
    assert list(LogFollower(path, position=4).new_lines()) == ["new"]


def test_last_lines_are_not_empty_and_short_enough_to_show(path: Path) -> None:
    append(path, b"first\n\nsecond\r\n   \n" + b"y" * 10_000 + b"\nend")
    assert last_lines(path, 3) == ["second", "y" * LONGEST_SHOWN, "end"]
    assert last_lines(path, 100)[0] == "first"


def test_last_lines_of_a_missing_file_are_none(path: Path) -> None:
    assert last_lines(path, 3) == []


def test_last_lines_are_those_of_the_last_attempt(path: Path) -> None:
    mark_attempt(path, 1)
    assert path.read_bytes() == b""
    append(path, b"Error: out of memory\ncut o")
    mark_attempt(path, 2)
    assert last_lines(path, 3) == []
    append(path, b"killed now\n")
    assert last_lines(path, 3) == ["killed now"]
    lines = list(LogFollower(path).new_lines())
    assert lines[:2] == ["Error: out of memory", "cut o"]
    assert lines[2].startswith(f"{ATTEMPT_MARK}2, ")
