"""What spoils a training and is no error is said by the programs that list the pictures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from digits.sources.paths import PathPolicy
from digits.sources.unequal import words_of_unequal
from digits.tools.parse_folder import Limits, Source, Split, split_folder, take_folder
from digits.tools.parse_textfile import ListSource, parse_textfiles
from tests.pictures import make_class_folders


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(each.getMessage() for each in caplog.records if each.levelname == "WARNING")


def test_the_same_picture_in_training_and_validation_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_class_folders(tmp_path / "all" / "train", pictures=4)
    make_class_folders(tmp_path / "all" / "val", pictures=2)
    (tmp_path / "out").mkdir()
    source = Source(str(tmp_path / "all"), PathPolicy())
    split_folder(source, tmp_path / "out", Split(), Limits(), 0, ["train", "val"])
    assert "4 pictures of train are in val, too" in warnings(caplog)


def test_a_copy_within_a_category_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_class_folders(tmp_path / "all", pictures=4)
    shutil.copy(folder / "class_0" / "1.png", folder / "class_0" / "copy.png")
    (tmp_path / "out").mkdir()
    split_folder(Source(str(folder), PathPolicy()), tmp_path / "out", Split(0), Limits(), 0)
    assert re.search(r"1 picture stands twice in train: .*copy.png is .*1.png", warnings(caplog))


def test_a_validation_folder_of_its_own_is_compared_with_the_training_list(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_class_folders(tmp_path / "train", pictures=4)
    make_class_folders(tmp_path / "val", pictures=1)
    (tmp_path / "out").mkdir()
    for name in ("train", "val"):
        source = Source(str(tmp_path / name), PathPolicy())
        take_folder(source, tmp_path / "out", name, Limits(1), 0)
    assert "2 pictures of train are in val, too" in warnings(caplog)


def test_lists_are_compared_as_folders_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_class_folders(tmp_path / "all", pictures=11)
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    lines = [f"{path} 0" for path in sorted((folder / "class_0").iterdir())]
    lines += [f"{folder}/class_1/0.png 1", "http://127.0.0.1/a.png 1"]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    (tmp_path / "val.txt").write_text(f"{folder}/class_1/0.png 1\n")
    (tmp_path / "out").mkdir()
    lists = {name: ListSource(tmp_path / f"{name}.txt", None) for name in ("train", "val")}
    parse_textfiles(tmp_path / "out", tmp_path / "labels.txt", lists, PathPolicy())
    assert "1 picture of train is in val, too" in warnings(caplog)


@pytest.mark.parametrize(
    ("counts", "is_told"),
    [
        ({"a": 100, "b": 10}, True),
        ({"a": 99, "b": 10}, False),
        ({"a": 100, "b": 0}, False),
        ({"a": 3}, False),
        ({}, False),
    ],
)
def test_categories_of_very_unequal_size_are_told(counts: dict[str, int], is_told: bool) -> None:
    words = words_of_unequal(counts)
    assert bool(words) == is_told
    if is_told:
        assert "'a' has 100 pictures, 'b' has 10" in words


def test_unequal_categories_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_class_folders(tmp_path / "all", pictures=20)
    for number in range(2, 20):
        (folder / "class_1" / f"{number}.png").unlink()
    (tmp_path / "out").mkdir()
    split_folder(Source(str(folder), PathPolicy()), tmp_path / "out", Split(0), Limits(), 0)
    assert "very unequal size: 'class 0' has 20 pictures" in warnings(caplog)
