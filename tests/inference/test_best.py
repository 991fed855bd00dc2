"""The best pictures of each class, whatever the pieces in which pictures come."""

from __future__ import annotations

import numpy as np
import pytest

from digits.inference.best import BestOfClasses


@pytest.mark.parametrize("piece", [1, 3, 50])
def test_the_best_do_not_depend_on_the_pieces(piece: int) -> None:
    rng = np.random.default_rng(3)
    # Few different values, so that many pictures are equally good.
    confidences = rng.integers(0, 6, (4, 50)).astype(np.float32)
    best = BestOfClasses(4, 7)
    for first in range(0, 50, piece):
        some = confidences[:, first : first + piece]
        best.add(some, np.arange(first, first + some.shape[1]))
    for index, ranked in enumerate(best.ranked()):
        expected = sorted(range(50), key=lambda number: (-confidences[index, number], number))[:7]
        assert [each.number for each in ranked] == expected
        assert [each.confidence for each in ranked] == confidences[index, expected].tolist()


def test_fewer_pictures_than_are_wanted_are_all_there() -> None:
    best = BestOfClasses(2, 5)
    assert best.ranked() == ((), ())
    best.add(np.array([[0.5], [0.1]], np.float32), np.array([9]))
    assert [[each.number for each in row] for row in best.ranked()] == [[9], [9]]


def test_the_best_of_pieces_are_taken_in_with_their_gaps() -> None:
    best, piece = BestOfClasses(1, 2), BestOfClasses(1, 2)
    piece.add(np.array([[0.5]], np.float32), np.array([4]))
    best.add(piece.confidences, piece.numbers)
    assert best.ranked() == (((4, 0.5),),)
