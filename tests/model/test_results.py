"""What lists are told of a training: best values, how far it came, a small curve."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from digits.model.job import named_network
from digits.model.results import CURVE_POINTS, ModelResults, results_of
from digits.model.training.history import History
from digits.model.training.plan import TrainingPlan

PLAN = TrainingPlan(
    max_iter=1000,
    epoch_iterations=10,
    train_images=90,
    train_batch_size=9,
    val_images=9,
    val_batch_size=9,
    accuracies=("accuracy",),
    main_accuracy="accuracy",
    main_loss="loss",
)


def history(**outputs: list[float]) -> History:
    """A training whose validation told these values, one every ten iterations."""
    told = History()
    for number, row in enumerate(zip(*outputs.values(), strict=True)):
        for name, value in zip(outputs, row, strict=True):
            table = told.train if name == "training" else told.val
            table.add(10 * number, float(number), "loss" if name == "training" else name, value)
        told.iteration = 10 * number
    return told


def test_the_best_values_count_whatever_came_after() -> None:
    found = results_of(history(accuracy=[0.1, 0.9, 0.8], loss=[2.0, 0.4, 0.5]), PLAN)
    assert (found.accuracy, found.loss, found.epochs) == (0.9, 0.4, 2.0)
    assert (found.curve_of, found.curve) == ("accuracy (val)", (10, 90, 80))


def test_without_an_accuracy_the_curve_is_the_loss_by_its_highest_value() -> None:
    found = results_of(history(loss=[4.0, 2.0, 1.0]), PLAN)
    assert (found.accuracy, found.loss) == (None, 1.0)
    assert (found.curve_of, found.curve) == ("loss (val)", (100, 50, 25))
    training = results_of(history(training=[4.0, 1.0]), PLAN)
    assert (training.curve_of, training.curve) == ("loss (train)", (100, 25))


def test_a_long_training_has_a_short_curve_with_both_its_ends() -> None:
    values = [number / 999 for number in range(1000)]
    curve = results_of(history(accuracy=values), PLAN).curve
    assert len(curve) == CURVE_POINTS
    assert (curve[0], curve[-1]) == (0, 100)
    assert list(curve) == sorted(curve)


@pytest.mark.parametrize(
    "values", [[], [0.5], [math.nan, math.nan], [math.inf, 0.5], [-math.inf, math.nan, 1.0]]
)
def test_what_cannot_be_drawn_is_no_curve(values: list[float]) -> None:
    found = results_of(history(accuracy=values), PLAN)
    assert found.curve == ()
    assert found.curve_points == ""


def test_losses_of_nothing_and_below_stay_within_the_picture() -> None:
    assert results_of(history(loss=[0.0, 0.0]), PLAN).curve == (0, 0)
    assert results_of(history(loss=[2.0, -1.0]), PLAN).curve == (100, 0)


def test_results_are_read_back_as_they_were() -> None:
    given = ModelResults(
        size_bytes=10, network="My Net", accuracy=0.5, curve_of="accuracy (val)", curve=(1, 50)
    )
    assert ModelResults.from_json(given.to_json()) == given
    assert ModelResults().to_json() == {}
    assert given.curve_points == "0,99 100,50"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "results",
        {"accuracy": "high"},
        {"curve": [1, -2]},
        {"curve": "abc"},
        {"network": 7},
        {"network": "\ud800"},
        {"size_bytes": True},
        {"unknown": 1},
    ],
)
def test_what_is_no_result_is_measured_anew(data: object) -> None:
    assert ModelResults.from_json(data) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('name: "My Net"\nlayer { name: "data" }', "My Net"),
        ("# made by hand\n\n  name : 'quoted'", "quoted"),
        ('\ufeffname:"BOM"', "BOM"),
        ('layer { name: "data" }', ""),
        ("", ""),
    ],
)
def test_a_network_is_called_what_its_text_says(tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / "original.prototxt"
    path.write_text(text, "utf-8")
    assert named_network(path) == name
    assert named_network(tmp_path / "none") == ""
