"""Classifier: the scores that pycaffe 1.0 gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digits import caffe
from tests.caffe.recorded import recorded_net, recording

MEAN = np.array([25.5, 51, 76.5])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return recorded_net(tmp_path_factory.mktemp("net"), "d", 8, 6)


@pytest.mark.parametrize(("oversample", "key"), [(True, "over"), (False, "center")])
def test_scores_equal_pycaffes(files: tuple[Path, Path], oversample: bool, key: str) -> None:
    recorded = recording()
    classifier = caffe.Classifier(
        *files,
        image_dims=(12, 10),
        mean=MEAN,
        raw_scale=255,
        channel_swap=(2, 1, 0),
        input_scale=0.02,
    )
    # Six pictures: more than a batch of the net.
    scores = classifier.predict(recorded["ims"], oversample=oversample)
    np.testing.assert_allclose(scores, recorded[key], atol=1e-5)


def test_without_options_pictures_are_resized_to_the_input(files: tuple[Path, Path]) -> None:
    recorded = recording()
    scores = caffe.Classifier(*files).predict(recorded["ims"][:3], False)
    np.testing.assert_allclose(scores, recorded["plain"], atol=1e-5)


def test_no_picture_is_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="received no picture"):
        caffe.Classifier(*files).predict([])
