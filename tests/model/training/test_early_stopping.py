"""Early stopping: told from the validation alone, as a later server would tell it."""

from __future__ import annotations

import math

import pytest

from digits.model.training.early_stopping import stalled
from digits.model.training.history import History
from digits.model.training.plan import TrainingPlan

PLAN = TrainingPlan(
    max_iter=1000,
    epoch_iterations=10,
    train_images=100,
    train_batch_size=10,
    val_images=10,
    val_batch_size=10,
    accuracies=("accuracy",),
    main_loss="loss",
)


def history(values: list[float], name: str = "accuracy", every: int = 10) -> History:
    """A validation before the first iteration and one for each value after it."""
    made = History()
    made.val.add(0, 0.0, name, 1.0 if name == "accuracy" else 0.0)
    for number, value in enumerate(values, start=1):
        made.val.add(number * every, float(number), name, value)
    return made


@pytest.mark.parametrize(
    ("values", "patience", "threshold", "best_epoch"),
    [
        pytest.param([0.5, 0.6, 0.6, 0.6], 2, 0, 2, id="equal is not better"),
        pytest.param([0.5, 0.6, 0.5, 0.61], 2, 0, None, id="better in time"),
        pytest.param([0.5, 0.6, 0.605, 0.609], 2, 0.01, 2, id="better by too little"),
        pytest.param([0.5, 0.6, 0.605, 0.611], 2, 0.01, None, id="better by enough in all"),
        pytest.param([0.5], 1, 0, None, id="only one"),
        pytest.param([], 1, 0, None, id="nothing yet"),
        pytest.param([0.5, math.nan, math.nan], 2, 0, 1, id="not a number is not better"),
        pytest.param(
            [math.nan, math.nan, 0.1, 0.1], 2, 0, None, id="counted from the first number"
        ),
        pytest.param([0.5, 0.4, 0.3], 0, 0, None, id="switched off"),
        pytest.param([0.5, 0.4], 0.5, 0, 1, id="half an epoch"),
    ],
)
def test_it_stops_when_nothing_got_better_for_so_long(
    values: list[float], patience: float, threshold: float, best_epoch: int | None
) -> None:
    found = stalled(history(values), PLAN, patience, threshold)
    assert (found and found.best_epoch) == best_epoch


def test_what_was_there_before_the_training_does_not_count() -> None:
    found = stalled(history([0.1, 0.2, 0.3]), PLAN, 2, 0)  # 1.0 at iteration 0
    assert found is None


def test_without_an_accuracy_the_loss_tells() -> None:
    found = stalled(history([2.0, 1.0, 1.5, 1.2], name="loss"), PLAN, 2, 0)
    assert found is not None
    assert (found.measure, found.best, found.is_accuracy) == ("loss", 1.0, False)
    assert str(found) == (
        "Stopped early at epoch 4: loss of the validation set had not become better than 1 "
        "(epoch 2) for 2 epochs."
    )


def test_it_says_what_the_best_was() -> None:
    found = stalled(history([0.9125, 0.5, 0.5], every=5), PLAN, 1, 0)
    assert str(found) == (
        "Stopped early at epoch 1.5: accuracy of the validation set had not become better than "
        "91.25 % (epoch 0.5) for 1 epochs."
    )
