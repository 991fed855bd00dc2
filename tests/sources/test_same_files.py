"""The same file twice, and in two sets."""

from __future__ import annotations

import math
import time
from pathlib import Path

from digits.sources.same_files import same_files

LONG = b"x" * 10_000


def written(folder: Path, **contents: bytes) -> list[str]:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in contents]


def test_the_same_content_is_found_within_a_set_and_between_two(tmp_path: Path) -> None:
    train = written(tmp_path / "train", a=LONG + b"1", b=LONG + b"2", c=LONG + b"1", empty=b"")
    val = written(tmp_path / "val", a=LONG + b"2", b=b"y", nothing=b"")
    twins = same_files({"train": train, "val": val}, until_s=math.inf)
    assert twins.within == {"train": [(train[2], train[0])]}
    assert twins.between == {("train", "val"): [(train[1], val[0])]}


def test_a_picture_in_three_sets_is_told_of_each_two(tmp_path: Path) -> None:
    sets = {name: written(tmp_path / name, a=b"same") for name in ("train", "val", "test")}
    twins = same_files(sets, until_s=math.inf)
    assert sorted(twins.between) == [("train", "test"), ("train", "val"), ("val", "test")]


def test_what_cannot_be_read_is_like_nothing(tmp_path: Path) -> None:
    paths = [*written(tmp_path / "a", x=b"1"), str(tmp_path / "missing"), str(tmp_path), "\0"]
    assert same_files({"train": paths, "val": paths[1:]}, until_s=math.inf).between == {}


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    paths = written(tmp_path / "a", x=b"1", y=b"1")
    assert same_files({"train": paths}, until_s=time.monotonic() - 1).within == {}
