"""Detector: the crops and scores that pycaffe 1.0 gives.

Where a window has surroundings, pycaffe itself fails with a present NumPy (it slices with floats);
those values were recorded with its box rounded to whole numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digits import caffe
from digits.caffe.detector import Detector
from tests.caffe.recorded import recorded_net, recording

MEAN = np.array([25.5, 51, 76.5])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return recorded_net(tmp_path_factory.mktemp("net"), "s", 8, 8)


def detector(files: tuple[Path, Path], context_pad: int | None) -> Detector:
    return Detector(
        *files, mean=MEAN, raw_scale=255, channel_swap=(2, 1, 0), context_pad=context_pad
    )


def scores_of(net: Detector, image: Any, windows: Any) -> Any:
    crops = [net.transformer.preprocess("data", net.crop(image, window)) for window in windows]
    return net.forward_all(None, data=np.array(crops))["prob"]


@pytest.mark.parametrize("context_pad", [None, 2])
def test_crops_and_scores_equal_pycaffes(files: tuple[Path, Path], context_pad: int | None) -> None:
    recorded = recording()
    net = detector(files, context_pad)
    for index, window in enumerate(recorded["wins"]):
        np.testing.assert_allclose(
            net.crop(recorded["big"], window), recorded[f"crop.{context_pad}.{index}"], atol=1e-6
        )
    np.testing.assert_allclose(
        scores_of(net, recorded["big"], recorded["wins"]),
        recorded[f"det.{context_pad}"],
        atol=1e-5,
    )


def test_windows_of_files_are_scored_in_their_order(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    windows = {"a.png": [(2, 3, 12, 20), (0, 0, 30, 40)], "b.png": [(10, 10, 14, 13)]}
    for name in windows:
        pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    net = detector(files, 2)
    found = net.detect_windows([(tmp_path / name, wins) for name, wins in windows.items()])
    assert [(each["filename"].name, each["window"]) for each in found] == [
        (name, window) for name, wins in windows.items() for window in wins
    ]
    image = caffe.io.load_image(tmp_path / "b.png")
    expected = scores_of(net, image, windows["b.png"])[0]
    np.testing.assert_allclose(found[2]["prediction"], expected, atol=1e-6)
    assert net.detect_windows([]) == []


@pytest.mark.parametrize("window", [(5, 5, 5, 9), (-1, 0, 4, 4), (0, 0, 31, 4), (9, 9, 2, 2)])
def test_windows_that_are_none_are_named(files: tuple[Path, Path], window: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is empty or does not lie within the picture, .* 30x40"):
        detector(files, None).crop(recording()["big"], window)


def test_surroundings_that_leave_no_window_are_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="must leave something of the input's 8x8. Received: 4"):
        detector(files, 4)


def test_selective_search_says_what_it_needs(files: tuple[Path, Path]) -> None:
    with pytest.raises(ImportError, match="give windows to detect_windows"):
        detector(files, None).detect_selective_search(["a.png"])
