"""What a job.json may hold, value by value."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest

from digits.errors import JobUnreadable
from digits.jobs.record import (
    LARGEST_FILE,
    Count,
    Minimum,
    read_record,
    require,
    require_arguments,
    require_id,
    require_moment,
    require_shown,
)


class Shape(TypedDict):
    name: str
    sizes: list[int]


class Wider(Shape, total=False):
    scale: float | None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", str),
        (3, int),
        (3, float),
        (2.5, float),
        (True, bool),
        (None, str | None),
        ("3", Literal["1", "3"]),
        ([1, 2], list[int]),
        ([], Sequence[str]),
        ({"a": 0.5}, Mapping[str, float]),
        (1, Count),
        ({"name": "a", "sizes": [1], "other": object}, Shape),
        ({"name": "a", "sizes": [], "scale": None}, Wider),
        (object(), Any),
    ],
)
def test_a_value_of_the_right_type_passes(value: object, kind: Any) -> None:
    require(value, kind, "it")


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (7, str, "it must be text, received 7"),
        ("7", int, "it must be a whole number, received '7'"),
        (True, int, "a whole number"),
        (7.5, int, "a whole number"),
        (2**63, int, "a whole number"),
        (1e300, float, "a number"),
        (1, bool, "true or false"),
        (0, str | None, "text or null"),
        (3, Literal["1", "3"], "'1' or '3'"),
        (["a", 1], list[str], "a list whose items are text"),
        ("ab", Sequence[str], "a list whose items are text"),
        ({"a": "b"}, Mapping[str, float], "an object whose values are a number"),
        ({"b": 1}, Mapping[Literal["a"], int], "whose keys are 'a' and whose values are a whole"),
        ({"b": 1}, Mapping[Literal["a"], Any], "an object whose keys are 'a'"),
        (0, Count, "a whole number from 1 on"),
        (-1, Annotated[int, Minimum(0)], "from 0 on"),
        ([], Shape, "an object"),
        ({"name": "a"}, Shape, "it: 'sizes' is missing"),
        ({"name": "a", "sizes": ["b"]}, Shape, "it: sizes must be a list"),
        ({"name": "a", "sizes": [], "scale": "b"}, Wider, "it: scale must be a number or null"),
        ("x" * 100_000, int, "received 'xxx"),
    ],
)
def test_a_value_of_another_type_is_refused_in_words(value: object, kind: Any, words: str) -> None:
    with pytest.raises(JobUnreadable) as caught:
        require(value, kind, "it")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 200


def made_from(job_dir: Path, width: int, *, roots: Sequence[str] = ()) -> None:
    """A function whose arguments a record holds; the folder is not one of them."""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "lacks 'width'"),
        ({"width": "a"}, "width must be a whole number"),
        ({"width": 1, "roots": [1]}, "roots must be a list"),
        ({"width": 1, "job_dir": "/"}, "holds 'job_dir'"),
        ({"width": 1, "\ud800": 1}, "unknown"),
    ],
)
def test_arguments_that_a_function_does_not_take_are_refused(
    values: dict[str, Any], words: str
) -> None:
    require_arguments({"width": 1}, made_from, "it")
    with pytest.raises(JobUnreadable, match=words):
        require_arguments(values, made_from, "it")


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "7", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', "{", "[" * 100_000,
     '{"a": ' + "1" * 10_000 + "}", b'{"a": "\xff"}'],
)  # fmt: skip
def test_what_is_no_object_of_usable_values_is_refused(
    tmp_path: Path, content: str | bytes
) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(JobUnreadable):
        read_record(path)


@pytest.mark.parametrize("which", ["pipe", "device"])
def test_what_has_no_end_is_not_read(tmp_path: Path, which: str) -> None:
    path = tmp_path / "job.json"
    if which == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(JobUnreadable, match="not a file"):
        read_record(path)


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    with path.open("wb") as file:
        file.truncate(100 * LARGEST_FILE)
    with pytest.raises(JobUnreadable, match="larger than 16 MB"):
        read_record(path)


@pytest.mark.parametrize("value", ["../up", "a/b", "", ".hidden", "a b", "\ud800", 7, None, "a\n"])
def test_an_id_names_a_file_and_nothing_else(value: object) -> None:
    require_id("20150421-140640-d697a3", "it")
    require_id("create_db_train", "it")
    with pytest.raises(JobUnreadable):
        require_id(value, "it")


@pytest.mark.parametrize("value", ["half \udce9", "\ud83d", 7, None])
def test_what_cannot_be_sent_to_a_browser_is_refused(value: object) -> None:
    require_shown("数字 😀", "it")
    with pytest.raises(JobUnreadable):
        require_shown(value, "it")


@pytest.mark.parametrize("value", [1e308, -1, float("nan"), float("inf"), 10**400, "0", True, None])
def test_a_moment_is_one_that_calendars_can_show(value: object) -> None:
    require_moment(0, "it")
    require_moment(1_429_617_999.5, "it")
    with pytest.raises(JobUnreadable):
        require_moment(value, "it")
