"""Which class was taken for which: counted by pairs, and as a matrix where it is not too large."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from digits.errors import NotPossible
from digits.model.images.classification.try_out.confusion import MOST_MATRIX_CLASSES, Confusion
from digits.model.images.classification.try_out.results import Accuracy

ALL_OF_IMAGENET = 21841


def test_pairs_are_counted_as_a_matrix_would_count_them() -> None:
    chance = np.random.default_rng(0)
    truth, predicted = chance.integers(0, 7, (2, 500))
    matrix = np.zeros((7, 7), np.int64)
    np.add.at(matrix, (truth, predicted), 1)
    found = Confusion.of(truth, predicted, 7)
    one_by_one = Confusion(7)
    for pair in zip(truth.tolist(), predicted.tolist(), strict=True):
        one_by_one.add(*pair)
    for confusion in (found, one_by_one):
        assert confusion.to_json() == {"confusion_matrix": matrix.tolist()}
        assert confusion.pictures().tolist() == matrix.sum(axis=1).tolist()
        assert confusion.taken().tolist() == matrix.sum(axis=0).tolist()
        assert confusion.right().tolist() == matrix.diagonal().tolist()
        assert confusion.count(3, 4) == matrix[3, 4]
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:9]
    assert found.mistakes(9) == [
        (i, j, matrix[i, j]) for i, j in zip(*divmod(order, 7), strict=True)
    ]


def test_very_many_classes_take_memory_for_the_pairs_that_occurred_alone() -> None:
    """As a matrix they would take 3.8 GB, and a gigabyte of JSON."""
    truth = np.array([0, 5, 5, 21840])
    predicted = np.array([21840, 5, 7, 21840])
    tracemalloc.start()
    try:
        confusion = Confusion.of(truth, predicted, ALL_OF_IMAGENET)
        labels = [f"{number}" for number in range(ALL_OF_IMAGENET)]
        accuracy = Accuracy(labels, confusion, count=4, top1=2, top5=3)
        answer = accuracy.to_json()
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
    assert answer["confusions"] == [[0, 21840, 1], [5, 5, 1], [5, 7, 1], [21840, 21840, 1]]
    assert "confusion_matrix" not in answer
    assert accuracy.worst_confusions(50) == [(0, 21840, 1), (5, 7, 1)]
    with pytest.raises(
        NotPossible, match=f"at most {MOST_MATRIX_CLASSES} classes, these are 21841"
    ):
        confusion.matrix()
