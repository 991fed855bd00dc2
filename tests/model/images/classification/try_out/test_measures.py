"""Precision, recall and F1 against scikit-learn; matrices folded to the most confused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from digits.model.images.classification.try_out.confusion import Confusion
from digits.model.images.classification.try_out.measures import Measures, matrix_of


def random_answers(classes: int, pictures: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted classes, of which half agree; the last class has no picture."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes - 1, pictures)
    predicted = np.where(
        random.random(pictures) < 0.5, truth, random.integers(0, classes, pictures)
    )
    return truth, predicted


def counts(truth: np.ndarray, predicted: np.ndarray, classes: int) -> Confusion:
    return of_matrix(confusion_matrix(truth, predicted, labels=range(classes)))


def of_matrix(matrix: np.ndarray) -> Confusion:
    truth, predicted = matrix.nonzero()
    times = matrix[truth, predicted]
    return Confusion.of(np.repeat(truth, times), np.repeat(predicted, times), len(matrix))


@pytest.mark.parametrize(("classes", "pictures"), [(2, 7), (3, 50), (12, 500), (200, 300)])
def test_measures_are_those_of_scikit_learn(classes: int, pictures: int) -> None:
    truth, predicted = random_answers(classes, pictures, seed=classes)
    measures = Measures.of(counts(truth, predicted, classes), np.zeros(classes, np.int64))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=range(classes), zero_division=np.nan
    )
    for each in measures.categories:
        number = each.number
        assert each.pictures == support[number]
        for own, theirs in (
            (each.precision, precision[number]),
            (each.recall, recall[number]),
            (each.f1, f1[number]),
        ):
            assert (np.nan if own is None else own) == pytest.approx(theirs, nan_ok=True)
    shown = {each.number for each in measures.categories}
    assert shown == {*truth.tolist(), *predicted.tolist()}


def test_means_are_those_over_the_categories_that_have_pictures() -> None:
    truth, predicted = random_answers(9, 120, seed=5)
    measures = Measures.of(counts(truth, predicted, 9), np.zeros(9, np.int64))
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, labels=np.unique(truth), average="macro", zero_division=0
    )
    assert measures.means is not None
    assert measures.means.precision == pytest.approx(precision)
    assert measures.means.recall == pytest.approx(recall)
    assert measures.means.f1 == pytest.approx(f1)


def test_pictures_without_an_answer_lower_recall_and_not_precision() -> None:
    truth, predicted = random_answers(6, 200, seed=3)
    sure = np.random.default_rng(4).random(200) < 0.6
    unsure = np.bincount(truth[~sure], minlength=6)
    measures = Measures.of(counts(truth[sure], predicted[sure], 6), unsure)
    # For scikit-learn an answer that is not given is a class of its own.
    answers = np.where(sure, predicted, 6)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, answers, labels=range(5), zero_division=np.nan
    )
    for each in measures.categories[:5]:
        assert each.precision == pytest.approx(precision[each.number], nan_ok=True)
        assert each.recall == pytest.approx(recall[each.number], nan_ok=True)
        assert each.f1 == pytest.approx(f1[each.number], nan_ok=True)


def test_of_no_pictures_nothing_is_known() -> None:
    measures = Measures.of(Confusion(3), np.zeros(3, np.int64))
    assert measures.categories == []
    assert measures.means is None
    assert measures.to_json(["a", "b", "c"]) == {"class_measures": {}, "mean_measures": None}


def test_the_worst_category_comes_first_and_shares_of_nothing_are_unknown() -> None:
    # All of a are taken for b; none is taken for a, and no picture is of c.
    confusion = of_matrix(np.array([[0, 2, 0], [0, 3, 1], [0, 0, 0]]))
    measures = Measures.of(confusion, np.zeros(3, np.int64))
    assert [each.number for each in measures.worst_first] == [0, 2, 1]
    a, b, c = measures.categories
    assert (a.precision, a.recall, a.f1) == (None, 0.0, 0.0)
    assert (c.precision, c.recall, c.f1) == (0.0, None, 0.0)
    assert measures.to_json(["a", "b", "c"])["class_measures"]["b"] == {
        "precision": 60.0, "recall": 75.0, "f1": 66.67
    }  # fmt: skip


def test_a_small_matrix_is_shown_whole() -> None:
    confusion = np.array([[8, 2], [1, 3]])
    matrix = matrix_of(of_matrix(confusion), 40)
    assert (matrix.numbers, matrix.folded) == ([0, 1], 0)
    assert [[cell.count for cell in row] for row in matrix.rows] == confusion.tolist()
    assert [cell.share for cell in matrix.rows[0]] == [0.8, 0.2]
    assert [cell.heat for cell in matrix.rows[1]] == [2, 8]
    assert [cell.is_right for cell in matrix.rows[0]] == [True, False]


def test_of_many_categories_the_most_confused_are_shown_and_the_others_added_up() -> None:
    truth, predicted = random_answers(300, 4000, seed=1)
    confusion = confusion_matrix(truth, predicted, labels=range(300))
    confusion[7, 250] = confusion[250, 7] = 90
    confusion[40, 41] = 80
    matrix = matrix_of(of_matrix(confusion), 4)
    assert matrix.numbers == [7, 40, 41, 250]
    assert matrix.folded == 296
    cells = [[cell.count for cell in row] for row in matrix.rows]
    assert len(cells) == len(cells[0]) == 5
    assert cells[0][3] == cells[3][0] == 90
    assert np.array(cells).sum() == confusion.sum()
    assert (
        np.array(cells).sum(axis=1)[:4].tolist() == confusion.sum(axis=1)[matrix.numbers].tolist()
    )
    corner = matrix.rows[-1][-1]
    assert (corner.truth, corner.predicted, corner.is_right) == (None, None, False)
    assert (
        corner.count == np.delete(np.delete(confusion, matrix.numbers, 0), matrix.numbers, 1).sum()
    )
