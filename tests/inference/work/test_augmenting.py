"""Pictures of a database as training would see them: of any encoding, and of any size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.caffe.data.augmentation import PRESETS, Augmentation
from digits.inference.errors import BadRequest
from digits.inference.operations import AugmentRecords, Database, Thumbnail, Treatment
from digits.inference.operations.messages import from_message, to_message
from digits.inference.work.augmenting import SHOWN_SIDE, augment_records
from digits.inference.work.state import State
from tests.inference.work.test_exploring import LABELS, make_lmdb, pixels


def shown(path: Path, treatment: Treatment, count: int = 8, turn: int = 0) -> list[Thumbnail]:
    request = AugmentRecords(Database(path), treatment, count, turn)
    return list(augment_records(State(), request).pictures)


def decoded(picture: Thumbnail) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.data)))


@pytest.mark.parametrize("encoding", ["png", "jpg", "none"])
def test_without_augmentation_pictures_are_as_stored(tmp_path: Path, encoding: str) -> None:
    found = shown(make_lmdb(tmp_path / "db", encoding), Treatment(Augmentation()))
    assert [picture.label for picture in found] == LABELS
    for number, picture in enumerate(found):
        difference = decoded(picture).astype(int) - pixels(number)
        assert np.abs(difference).max() <= (3 if encoding == "jpg" else 0)


def test_a_large_picture_is_shown_small(tmp_path: Path) -> None:
    path = make_lmdb(tmp_path / "db", "png", shape=(1300, 2600))
    (picture,) = shown(path, Treatment(PRESETS["strong"]), count=1)
    assert decoded(picture).shape == (SHOWN_SIDE // 2, SHOWN_SIDE, 3)


def test_more_pictures_than_there_are_or_than_is_good_are_not_made(tmp_path: Path) -> None:
    path = make_lmdb(tmp_path / "db", "none", channels=1)
    assert len(shown(path, Treatment(PRESETS["light"]), count=10_000)) == len(LABELS)


def test_a_crop_that_is_larger_than_the_pictures_is_not_made(tmp_path: Path) -> None:
    path = make_lmdb(tmp_path / "db", "png")
    assert decoded(shown(path, Treatment(Augmentation(), crop_size=11))[0]).shape == (10, 12, 3)
    assert decoded(shown(path, Treatment(Augmentation(), crop_size=10))[0]).shape == (10, 10, 3)


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    path = make_lmdb(tmp_path / "db", "png")
    with pytest.raises(BadRequest, match=r"picture 0: a picture of 12 x 10"):
        shown(path, Treatment(Augmentation(aug_quad_rot="rot90")))
    with pytest.raises(BadRequest, match="cannot be read"):
        shown(tmp_path / "gone", Treatment(Augmentation()))


def test_a_request_travels_as_a_message() -> None:
    request = AugmentRecords(Database(Path("db")), Treatment(PRESETS["strong"], crop_size=3), 9, 1)
    assert from_message(AugmentRecords, to_message(request)) == request
