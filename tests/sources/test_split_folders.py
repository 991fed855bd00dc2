"""Which folders are a split into train, val and test, and which are categories."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.sources.folders import Category
from digits.sources.split_folders import sets_in, split_categories


def category(name: str, *pictures: str, start: str = "/set") -> Category:
    return Category(name, f"{start}/{name}", [f"{start}/{name}/{each}" for each in pictures])


TRAIN = ("cat/1.png", "cat/2.png", "dog/by me/3.png")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train", "val"), {"train", "val"}),
        (("Training", "Validation", "Testing"), {"train", "val", "test"}),
        (("TRAIN", "valid"), {"train", "val"}),
        (("train", "test"), {"train", "test"}),
        (("train", "cat"), set()),
        (("val", "test"), set()),
        (("train", "val", "validation"), set()),
    ],
)
def test_the_names_decide_in_any_case(names: tuple[str, ...], expected: set[str]) -> None:
    found = split_categories([category(name, *TRAIN) for name in names])
    assert set(found) == expected
    for classes in found.values():
        assert [(each.label, len(each.pictures)) for each in classes] == [("cat", 2), ("dog", 1)]


def test_categories_that_are_called_so_stay_categories() -> None:
    vehicles = [category("train", "1.png", "2.png"), category("test", "1.png")]
    assert split_categories(vehicles) == {}
    assert split_categories([category("train", "steam/1.png"), category("test", "1.png")]) == {}


def test_a_set_without_categories_is_left_out() -> None:
    found = split_categories([category("train", *TRAIN), category("test", "1.png", "2.png")])
    assert set(found) == {"train"}


def test_other_folders_may_stand_beside_sets_with_the_same_categories() -> None:
    extra = category("extra", "cat/1.png")
    sets = [category("train", *TRAIN), category("val", *TRAIN)]
    assert set(split_categories([*sets, extra])) == {"train", "val"}
    assert split_categories([sets[0], category("test", "a/1.png"), extra]) == {}
    assert set(split_categories([*sets, category("annotations")])) == {"train", "val"}


def test_addresses_are_understood() -> None:
    pictures = ["red%20cat/1.png", "dog/2.png"]
    sets = [category(name, *pictures, start="http://host/set") for name in ("train", "val")]
    found = split_categories([Category(s.label, s.origin + "/", s.pictures) for s in sets])
    assert [each.label for each in found["val"]] == ["dog", "red cat"]
    assert found["val"][1].pictures == ["http://host/set/val/red%20cat/1.png"]


def test_a_folder_is_looked_at_without_its_pictures(tmp_path: Path) -> None:
    assert sets_in(tmp_path / "nothing") == []
    for name in ("train/cat", "train/dog", "Valid/cat", ".git/train", "notes"):
        (tmp_path / name).mkdir(parents=True)
    assert sets_in(tmp_path) == ["train", "val"]
    assert sets_in(tmp_path / "train") == []
