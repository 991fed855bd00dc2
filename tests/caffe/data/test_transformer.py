"""Crop, mirror, mean and scale, against the same in plain NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from digits.caffe.data.datum import Sample
from digits.caffe.data.means import read_mean_file, write_mean_file
from digits.caffe.data.transformer import DataTransformer, Window, cut_means
from digits.caffe.errors import DataError
from digits.caffe.proto.caffe_pb2 import BlobProto, TransformationParameter
from tests.caffe.data.conftest import picture


def transform(
    images: list[np.ndarray],
    train: bool = True,
    seed: int = 0,
    planes: bool = False,
    **fields: object,
) -> np.ndarray:
    """Transform pictures (H, W, C), as pictures or as planes; answers (n, c, h, w)."""
    transformer = DataTransformer(TransformationParameter(**fields), train)
    samples = [
        Sample(image.transpose(2, 0, 1) if planes else image, not planes, f"picture {i}")
        for i, image in enumerate(images)
    ]
    cut = transformer.cut(samples, np.random.default_rng(seed))
    out = transformer.finish(cut, torch.device("cpu"))
    assert out.dtype == torch.float32
    return out.numpy()


def places(image: np.ndarray, size: int) -> list[np.ndarray]:
    """Every crop of a picture, mirrored and not, as planes."""
    height, width, _ = image.shape
    crops = [
        image[top : top + size, left : left + size].transpose(2, 0, 1).astype(np.float32)
        for top in range(height - size + 1)
        for left in range(width - size + 1)
    ]
    return crops + [crop[:, :, ::-1] for crop in crops]


@pytest.mark.parametrize("planes", [False, True])
def test_test_phase_crops_the_middle_and_subtracts_before_scaling(planes: bool) -> None:
    images = [picture(1), picture(2)]
    out = transform(images, False, planes=planes, crop_size=3, mean_value=[1, 2, 3], scale=0.5)
    for image, result in zip(images, out, strict=True):
        middle = image[1:4, 2:5].astype(np.float32)
        np.testing.assert_array_equal(result, ((middle - [1, 2, 3]) * 0.5).transpose(2, 0, 1))


@pytest.mark.parametrize("planes", [False, True])
def test_random_crops_and_mirrors_are_places_of_the_picture_and_all_occur(planes: bool) -> None:
    image = picture(3, 4, 4)
    expected = places(image, 3)
    out = transform([image] * 200, planes=planes, crop_size=3, mirror=True)
    found = {
        next(i for i, place in enumerate(expected) if np.array_equal(place, result))
        for result in out
    }
    assert found == set(range(len(expected)))


def test_the_mean_image_is_cropped_and_mirrored_with_the_picture(tmp_path: Path) -> None:
    image = picture(4)
    path = str(tmp_path / "mean.binaryproto")
    # Every place less the same place of itself is zero, wherever it was cut.
    write_mean_file(path, image.transpose(2, 0, 1).astype(np.float32))
    out = transform([image] * 50, crop_size=3, mirror=True, mean_file=path)
    assert not out.any()


def test_the_means_of_all_windows_at_once_are_those_of_each() -> None:
    mean = torch.from_numpy(picture(1).transpose(2, 0, 1).astype(np.float32))
    windows = [Window(0, 0, False), Window(1, 3, True), Window(2, 0, True), Window(0, 4, False)]
    found = cut_means(mean, windows, (3, 4, 4))
    assert found.shape == (4, 3, 4, 4)
    for part, window in zip(found, windows, strict=True):
        place = mean[:, window.top : window.top + 4, window.left : window.left + 4]
        assert torch.equal(part, place.flip(2) if window.mirror else place)


def test_the_same_numbers_are_drawn_for_pictures_of_any_size() -> None:
    small, large = picture(5, 6, 6), picture(6, 60, 60)
    alone = transform([small, small], crop_size=3, mirror=True)
    mixed = transform([large, small], crop_size=3, mirror=True)
    np.testing.assert_array_equal(alone[1], mixed[1])


def test_floats_are_transformed_like_bytes() -> None:
    floats = np.linspace(-1, 1, 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 3)
    out = transform([floats], planes=True, mean_value=[0.5], scale=2)
    np.testing.assert_array_equal(out[0], (floats.transpose(2, 0, 1) - np.float32(0.5)) * 2)


def test_one_mean_value_goes_for_all_channels() -> None:
    image = picture(7)
    out = transform([image], mean_value=[100])
    np.testing.assert_array_equal(out[0], image.transpose(2, 0, 1).astype(np.float32) - 100)


@pytest.mark.parametrize(
    ("images", "fields", "words"),
    [
        ([picture(0)], {"crop_size": 7}, "crop_size 7 is larger than the picture, which is 8 x 6"),
        ([picture(0), picture(1, 5)], {}, "picture 1: the record has the shape 3 x 5 x 8"),
        ([picture(0), picture(1, channels=1)], {"crop_size": 2}, "picture 1: .* 1 x 6 x 8"),
        ([picture(0)], {"mean_value": [1, 2]}, "2 mean_value are given, but the record has 3"),
    ],
)
def test_what_does_not_fit_is_named(
    images: list[np.ndarray], fields: dict[str, object], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        transform(images, **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mean_file": "x", "mean_value": [1]}, "both mean_file and mean_value"),
        ({"force_color": True, "force_gray": True}, "both force_color and force_gray"),
        ({"mean_file": "gone.binaryproto"}, "mean file not found: gone.binaryproto"),
    ],
)
def test_settings_that_exclude_each_other(fields: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        DataTransformer(TransformationParameter(**fields), True)


def test_a_mean_of_another_shape_is_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "mean.binaryproto")
    write_mean_file(path, np.zeros((3, 4, 4), np.float32))
    with pytest.raises(DataError, match="has the shape 3 x 4 x 4, the record 3 x 6 x 8"):
        transform([picture(0)], mean_file=path)


def test_a_mean_file_has_the_old_sizes_as_caffe_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "mean.binaryproto"
    mean = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write_mean_file(str(path), mean)
    blob = BlobProto.FromString(path.read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 2, 3, 4)
    assert not blob.HasField("shape")
    np.testing.assert_array_equal(read_mean_file(str(path)), mean)


@pytest.mark.parametrize("content", [b"\xff\xff\xff\xff", b"", b"\x08\x01"])
def test_a_file_that_is_no_mean_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(content)
    with pytest.raises(DataError, match="mean.binaryproto"):
        read_mean_file(str(path))
