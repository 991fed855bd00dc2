"""The file that says how pictures are changed: read as it was written, refused with the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from digits.caffe.data.augmentation import (
    CHOICES,
    PRESETS,
    RANGES,
    Augmentation,
    preset_of,
    read_augmentation,
)
from digits.caffe.errors import DataError


@pytest.mark.parametrize("name", PRESETS)
def test_a_file_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    file = tmp_path / "augmentation.json"
    file.write_text(PRESETS[name].to_text())
    assert read_augmentation(str(file)) == PRESETS[name]


def test_what_a_file_leaves_out_is_off(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"format": 1, "aug_rot": 30}')
    assert read_augmentation(str(file)) == Augmentation(aug_rot=30)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ('{"format": 1, "aug_rot"', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[1]", "an object is expected"),
        ("{}", "format must be a whole number"),
        ('{"format": true}', "format must be a whole number"),
        ('{"format": 0}', "format must be a whole number"),
        ('{"format": 2, "aug_bend": 1}', "its format 2 is newer than 1"),
        ('{"format": 1, "aug_bend": 1}', "there is no field 'aug_bend'"),
        ('{"format": 1, "aug_rot": 181}', "aug_rot is a number from 0 to 180, received 181"),
        ('{"format": 1, "aug_rot": "9"}', "aug_rot is a number from 0 to 180, received '9'"),
        ('{"format": 1, "aug_rot": NaN}', "aug_rot is a number from 0 to 180, received nan"),
        ('{"format": 1, "aug_flip": "left"}', "aug_flip is one of none, fliplr, flipud, fliplrud"),
        ('{"format": 1, "aug_quad_rot": []}', "aug_quad_rot is one of none, rot90, rot180, rotall"),
        ('{"format": 1, "aug_hsv_use": 1}', "aug_hsv_use is true or false, received 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(DataError) as refused:
        read_augmentation(str(file))
    assert str(refused.value).startswith(f"the augmentation file {file} cannot be used: ")
    assert said in str(refused.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read: No such file"):
        read_augmentation(str(tmp_path / "gone.json"))
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"cannot be used: .*utf-8"):
        read_augmentation(str(tmp_path / "a.json"))


def test_each_number_may_be_at_either_end_of_its_range_and_not_beyond() -> None:
    for name, (low, high) in RANGES.items():
        for value in (low, high):
            text = json.dumps({"format": 1, name: value})
            assert getattr(Augmentation.from_text(text), name) == value
        for value in (low - 0.001, high + 0.001):
            with pytest.raises(DataError, match=name):
                Augmentation.from_text(json.dumps({"format": 1, name: value}))


def test_presets_are_within_the_ranges_and_grow() -> None:
    assert [len(preset.changed_fields) for preset in PRESETS.values()] == sorted(
        len(preset.changed_fields) for preset in PRESETS.values()
    )
    for name, preset in PRESETS.items():
        assert Augmentation.from_text(preset.to_text()) == preset
        assert preset_of(preset) == name


def test_settings_of_ones_own_are_no_preset() -> None:
    assert preset_of(Augmentation(aug_rot=33)) == ""
    assert preset_of(replace(PRESETS["strong"], aug_blur=2.0)) == ""
    # What is not used makes no difference.
    assert preset_of(replace(PRESETS["light"], aug_hsv_h=0.5)) == "light"


def test_what_is_on_is_told_by_its_fields() -> None:
    assert not Augmentation(aug_hsv_h=0.5).is_on
    assert Augmentation(aug_hsv_use=True).changed_fields == ("aug_hsv_use",)
    assert Augmentation(aug_crop_scale=0.5, aug_flip="flipud").changed_fields == (
        "aug_flip",
        "aug_crop_scale",
    )
    assert set(CHOICES) | set(RANGES) | {"aug_hsv_use"} == {
        name for name in vars(Augmentation()) if name.startswith("aug_")
    }
