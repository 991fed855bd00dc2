"""Thresholds, and two evaluations of the same pictures side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.errors import NotComparable
from digits.inference import ClassifiedPicture, Prediction
from digits.inference.evaluation import EvaluationWriter
from digits.model.images.classification.evaluation.comparing import Comparison
from digits.model.images.classification.evaluation.reading import Choice, Evaluation

LABELS = ["a", "b", "c"]
# A picture's name, its true class, what it is taken for, and how sure the network is.
Said = tuple[str, int | None, int | None, float]
FIRST: list[Said] = [
    ("0.png", 0, 0, 0.99), ("1.png", 0, 1, 0.6), ("2.png", 1, 1, 0.9), ("3.png", 1, 2, 0.9001),
    ("4.png", 2, 2, 0.4), ("5.png", None, 2, 0.8), ("6.png", 2, None, 0.0),
]  # fmt: skip
SECOND: list[Said] = [
    ("0.png", 0, 0, 0.5), ("1.png", 0, 0, 0.5), ("2.png", 1, 0, 0.5), ("3.png", 1, 0, 0.5),
    ("4.png", 2, 2, 0.5), ("5.png", None, 1, 0.5), ("6.png", 2, 2, 0.5),
]  # fmt: skip


def written(
    folder: Path, said: list[Said], labels: list[str] = LABELS, **options: Any
) -> Evaluation:
    folder.mkdir(exist_ok=True)
    with EvaluationWriter(folder, labels, **options) as writer:
        for number, (name, truth, predicted, confidence) in enumerate(said):
            best = () if predicted is None else (
                Prediction(labels[predicted], predicted, confidence),
            )  # fmt: skip
            reason = "" if best else "it is broken"
            writer.add(name, truth, ClassifiedPicture(number, best, reason), reason)
    return Evaluation(folder)


# A threshold --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "answered", "right"),
    [(0, 5, 3), (50, 4, 2), (60, 4, 2), (60.01, 3, 2), (90, 3, 2), (90.01, 2, 1), (100, 0, 0)],
)
def test_below_a_threshold_there_is_no_answer(
    tmp_path: Path, threshold: float, answered: int, right: int
) -> None:
    results = written(tmp_path / "one", FIRST)
    accuracy = results.accuracy(threshold)
    assert (accuracy.count, accuracy.answered, accuracy.top1) == (5, answered, right)
    assert accuracy.confusion.pictures().sum() == answered
    (step,) = results.steps([threshold])
    assert step.answered == pytest.approx(answered / 5)
    assert step.right == (pytest.approx(right / answered) if answered else None)
    # The rows are those that the numbers count.
    found = {
        outcome: results.find(Choice(outcome=outcome, threshold=threshold)).tolist()
        for outcome in ("right", "wrong", "sure", "unsure", "unreadable")
    }
    labelled = {0, 1, 2, 3, 4}
    assert len(found["right"]) == right
    assert len(found["wrong"]) == answered - right
    assert len(labelled & set(found["unsure"])) == 5 - answered
    assert sorted(found["sure"] + found["unsure"]) == [0, 1, 2, 3, 4, 5]
    assert {*found["right"], *found["wrong"]} <= {*found["sure"]}
    assert found["unreadable"] == [6]


def test_scores_that_are_no_probabilities_have_no_threshold(tmp_path: Path) -> None:
    results = written(tmp_path / "one", FIRST, is_probability=False)
    assert results.accuracy(99.0).answered == 5


# Two side by side ---------------------------------------------------------------------------------


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    """The second has the pictures in another order, and one more."""
    second = [("more.png", 0, 1, 0.5), *reversed(SECOND)]
    first = written(tmp_path / "one", FIRST)
    return Comparison(first, written(tmp_path / "two", second), by_number=False)


def names(comparison: Comparison, outcome: str) -> list[str]:
    found = comparison.find(outcome)
    first = [row.name for row in comparison.first.read(found[:, 0])]
    second = [row.name for row in comparison.second.read(found[:, 1])]
    assert first == second
    return first


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("all", ["0.png", "1.png", "2.png", "3.png", "4.png", "5.png", "6.png"]),
        ("different", ["1.png", "2.png", "3.png", "5.png", "6.png"]),
        ("only_first", ["2.png"]),
        ("only_second", ["1.png", "6.png"]),
        ("both_right", ["0.png", "4.png"]),
        ("both_wrong", ["3.png"]),
    ],
)
def test_pictures_are_found_by_who_was_right(
    comparison: Comparison, outcome: str, expected: list[str]
) -> None:
    assert names(comparison, outcome) == expected
    assert comparison.counts()[outcome] == len(expected)


def test_only_pictures_that_both_have_count(comparison: Comparison) -> None:
    first, second = comparison.accuracies
    assert (first.count, first.top1) == (5, 3)
    assert (second.count, second.top1) == (6, 4)


def test_categories_come_with_the_greatest_loss_first(comparison: Comparison) -> None:
    pairs = comparison.by_category()
    differences = [pair.difference for pair in pairs]
    assert differences == sorted(differences, key=lambda value: value or 0.0)
    assert LABELS[pairs[0].number] == "b"
    assert pairs[0].difference == pytest.approx(0.0 - 0.5)


def test_a_name_that_stands_twice_belongs_to_the_other_ones_in_order(tmp_path: Path) -> None:
    said: list[Said] = [("x", 0, 0, 0.9), ("y", 1, 1, 0.9), ("x", 1, 1, 0.9)]
    one = written(tmp_path / "one", said)
    two = written(tmp_path / "two", [said[1], said[0], said[2], said[0]])
    numbers = Comparison(one, two, by_number=False).numbers
    assert numbers.tolist() == [[0, 1], [1, 0], [2, 2]]


def test_records_of_a_database_go_by_their_numbers(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one", FIRST), written(tmp_path / "two", SECOND[:3])
    numbers = Comparison(one, two, by_number=True).numbers
    assert numbers.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_what_has_other_categories_or_pictures_is_not_compared(tmp_path: Path) -> None:
    one = written(tmp_path / "one", FIRST)
    other = written(tmp_path / "other", SECOND, labels=["a", "b", "d"])
    with pytest.raises(NotComparable, match="different categories"):
        Comparison(one, other, by_number=True)
    elsewhere = written(tmp_path / "elsewhere", [("elsewhere.png", 0, 0, 0.9)])
    with pytest.raises(NotComparable, match="no picture in common"):
        Comparison(one, elsewhere, by_number=False)
    with pytest.raises(NotComparable, match="no picture in common"):
        Comparison(one, written(tmp_path / "empty", []), by_number=True)


def test_rows_that_count_are_chosen_by_number(tmp_path: Path) -> None:
    accuracy = written(tmp_path / "one", FIRST).accuracy(among=np.array([1, 4]))
    assert (accuracy.count, accuracy.top1) == (2, 1)
