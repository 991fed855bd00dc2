"""The tables of a training's history, and the points of them that are drawn."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import random
from datetime import datetime, timedelta

import pytest

from digits.caffe.formats import training_log
from digits.caffe.formats.training_log import LogParser
from digits.model.training.charts import (
    MAX_POINTS,
    MOST_CURVES,
    combined_chart,
    preview_chart,
    rate_chart,
    thinned_rows,
)
from digits.model.training.history import (
    MOST_VALUES,
    History,
    Table,
    csv_header,
    csv_pieces,
    history_json,
)


def history(iterations: int = 4, every: int = 1) -> History:
    """A training that displays `loss` and tests `accuracy` and `loss`, one second an iteration."""
    made = History()
    made.add(training_log.Started(100.0))
    _tested(made, 0)
    for iteration in range(0, iterations, every):
        time_s = 100.0 + iteration
        made.add(training_log.TrainLoss(time_s, iteration, 1.0))
        made.add(training_log.TrainOutput(time_s, iteration, "loss", 1 / (1 + iteration)))
        made.add(training_log.Rate(time_s, iteration, 0.01))
    _tested(made, iterations)
    return made


def _tested(made: History, iteration: int) -> None:
    made.add(training_log.Testing(100.0 + iteration, iteration))
    made.add(training_log.ValOutput(100.0 + iteration, iteration, "accuracy", 0.5))
    made.add(training_log.ValOutput(100.0 + iteration, iteration, "loss", 2.0))


def test_chart_has_c3s_form() -> None:
    chart = combined_chart(history(), 2, {"accuracy"})
    assert chart == {
        "columns": [
            ["train_epochs", 0.0, 0.5, 1.0, 1.5],
            ["loss-train", 1.0, 0.5, 1 / 3, 0.25],
            ["val_epochs", 0.0, 2.0],
            ["accuracy-val", 50.0, 50.0],
            ["loss-val", 2.0, 2.0],
        ],
        "xs": {
            "loss-train": "train_epochs",
            "accuracy-val": "val_epochs",
            "loss-val": "val_epochs",
        },
        "names": {
            "loss-train": "loss (train)",
            "accuracy-val": "accuracy (val)",
            "loss-val": "loss (val)",
        },
        "axes": {"accuracy-val": "y2"},
        "times": {"train_epochs": [0.0, 1.0, 2.0, 3.0], "val_epochs": [0.0, 4.0]},
        "epoch_iterations": 2,
    }


def test_learning_rates_have_a_chart_of_their_own() -> None:
    chart = rate_chart(history(2), 1)
    assert chart["columns"] == [["train_epochs", 0.0, 1.0], ["lr", 0.01, 0.01]]
    assert chart["xs"] == {"lr": "train_epochs"}
    assert chart["names"] == {"lr": "Learning Rate"}


def test_charts_of_nothing_are_empty() -> None:
    assert combined_chart(History(), 1, set())["columns"] == []
    assert rate_chart(History(), 1)["columns"] == []


def test_preview_has_one_column() -> None:
    assert preview_chart([0.1, 0.2]) == {"columns": [["Learning Rate", 0.1, 0.2]]}


def noisy_table(rows: int, columns: int = 1) -> Table:
    numbers = random.Random(1)
    table = Table()
    for iteration in range(rows):
        for column in range(columns):
            table.add(iteration, 0.0, f"loss{column}", numbers.random())
    return table


@pytest.mark.parametrize("columns", [1, 3])
def test_thinning_keeps_first_last_and_extremes(columns: int) -> None:
    table = noisy_table(20_000, columns)
    peak, dip = 7_777, 12_345
    table.columns["loss0"][peak] = 9.0
    table.columns[f"loss{columns - 1}"][dip] = -9.0
    rows = thinned_rows(table)
    assert len(rows) <= MAX_POINTS
    assert {0, 19_999, peak, dip} <= set(rows)
    assert rows == sorted(set(rows))


def test_the_chart_of_a_hundred_thousand_points_is_small_and_keeps_the_extremes() -> None:
    made = History(train=noisy_table(100_000), val=noisy_table(1_000, 2))
    made.train.columns["loss0"][54_321] = 99.0
    made.train.columns["loss0"][7] = -99.0
    chart = combined_chart(made, 1_000, ("loss1",))
    text = json.dumps(chart)
    assert len(text) < 60_000  # of 3,400,000 for all of it
    columns = {name: values for name, *values in chart["columns"]}
    assert max(columns["loss0-train"]) == 99.0
    assert min(columns["loss0-train"]) == -99.0
    assert columns["train_epochs"][-1] == 99.999


def test_few_points_are_all_drawn() -> None:
    assert thinned_rows(noisy_table(MAX_POINTS)) == list(range(MAX_POINTS))


def test_thinning_bears_nan_and_missing_values() -> None:
    table = noisy_table(1000)
    table.columns["loss0"][500:] = [math.nan] * 250 + [None] * 250
    assert {0, 999} <= set(thinned_rows(table))


def test_a_repeated_iteration_replaces_what_came_after() -> None:
    table = Table()
    for iteration in (0, 5, 10, 15):
        table.add(iteration, 0.0, "loss", 1.0)
    table.add(5, 0.0, "loss", 2.0)
    assert table.iterations == [0, 5]
    assert table.columns == {"loss": [1.0, 2.0]}


def test_an_output_that_appears_late_is_missing_before() -> None:
    table = Table()
    table.add(0, 0.0, "a", 1.0)
    table.add(1, 0.0, "b", 2.0)
    assert table.columns == {"a": [1.0, None], "b": [None, 2.0]}


def test_pace_is_iterations_a_second_of_the_present_process() -> None:
    made = history(60)
    assert made.iterations_per_s() == pytest.approx(1.0)
    # The next process is ten times faster, and the hours in between do not count.
    made.add(training_log.Started(10_000.0))
    assert made.iterations_per_s() is None
    for iteration in range(60, 100):
        made.add(training_log.TrainLoss(10_000.0 + (iteration - 60) / 10, iteration, 1.0))
    assert made.iterations_per_s() == pytest.approx(10.0)


def as_csv(made: History) -> str:
    return "".join(csv_pieces(csv_header(made), made.rows(), 2))


def test_csv_has_a_row_an_iteration() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(history()))))
    assert [row["iteration"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[1] == {
        "iteration": "1",
        "epoch": "0.5",
        "time_s": "1.000",
        "lr": "0.01",
        "train:loss": "0.5",
        "val:accuracy": "",
        "val:loss": "",
    }


def test_csv_comes_in_pieces_and_whole() -> None:
    made = history(2_000)
    pieces = list(csv_pieces(csv_header(made), made.rows(), 2))
    assert max(len(piece) for piece in pieces) < len("".join(pieces)) / 2
    lines = "".join(pieces).splitlines()
    assert len(lines) == 2_002
    assert lines[-1].startswith("2000,1000,")  # validation after the last iteration


def test_json_holds_no_nan() -> None:
    made = history()
    made.add(training_log.TrainOutput(200.0, 9, "loss", math.nan))
    made.add(training_log.TrainOutput(200.0, 10, "loss", math.inf))
    data = history_json(made, 2)
    json.dumps(data, allow_nan=False)
    assert data["train"]["outputs"]["loss"][-2:] == [None, None]
    assert data["train"]["iteration"][-2:] == [9, 10]
    json.dumps(combined_chart(made, 2, set()), allow_nan=False)


# Clocks -------------------------------------------------------------------------------------------

LINE = "I{stamp}  1234 solver.cpp:228] {message}"


def through(
    began: datetime, jump: timedelta, *, at: int = 100, every_s: float = 5.0, is_told: bool = False
) -> History:
    """A training of 200 displays, 100 iterations each, whose clock jumps after `at` of them.

    `is_told`: its log also says how long it has trained, as ours does.
    """
    made, parser = History(), LogParser()

    def say(moment: datetime, message: str) -> None:
        line = LINE.format(stamp=moment.strftime("%m%d %H:%M:%S.%f"), message=message)
        if event := parser.parse(line.encode()):
            made.add(event)

    say(began, "Starting Optimization")
    for number in range(200):
        moment = (
            began + timedelta(seconds=every_s * number) + (jump if number >= at else timedelta())
        )
        if is_told:
            say(moment, f"Elapsed: {every_s * number:.3f} s")
        say(moment, f"Iteration {100 * number}, loss = 1")
        say(moment, "    Train net output #0: loss = 1 (* 1 = 1 loss)")
        say(moment, f"Iteration {100 * number}, lr = 0.01")
    return made


NOON = datetime(2026, 6, 1, 12)
JUMPS = {
    "none": (NOON, timedelta()),
    "New Year": (datetime(2026, 12, 31, 23, 55), timedelta()),
    "a 29th of February that there is not": (datetime(2026, 2, 28, 23, 55), timedelta()),
    "one that there is": (datetime(2028, 2, 28, 23, 55), timedelta()),
    "the end of summer time": (NOON, timedelta(hours=-1)),
    "its beginning": (NOON, timedelta(hours=1)),
    "a second back": (NOON, timedelta(seconds=-1)),
    "half a minute back": (NOON, timedelta(seconds=-30)),
    "a day forward": (NOON, timedelta(days=1)),
    "a day back": (NOON, timedelta(days=-1)),
    "ten days forward": (NOON, timedelta(days=10)),
    "half a year": (NOON, timedelta(days=180)),
}


@pytest.mark.parametrize(("began", "jump"), JUMPS.values(), ids=JUMPS)
@pytest.mark.parametrize("every_s", [0.5, 5.0, 120.0])
def test_a_jump_of_the_logs_clock_changes_neither_pace_nor_times(
    began: datetime, jump: timedelta, every_s: float
) -> None:
    """What used to happen: at New Year 20 iterations a second became 113, and years were left."""
    made = through(began, jump, every_s=every_s)
    true_s = 199 * every_s
    assert made.trained_s == pytest.approx(true_s, abs=max(40, every_s))
    assert made.iterations_per_s() == pytest.approx(100 / every_s, rel=0.02)
    times = made.train.times_s
    assert times == sorted(times)
    assert max(b - a for a, b in itertools.pairwise(times)) <= 35 + every_s


@pytest.mark.parametrize("every_s", [600.0, 3000.0])
def test_a_training_that_says_little_is_not_taken_for_a_clock_that_jumps(every_s: float) -> None:
    made = through(NOON, timedelta(), every_s=every_s)
    assert made.trained_s == pytest.approx(199 * every_s)
    assert made.iterations_per_s() == pytest.approx(100 / every_s)


def test_the_pace_is_right_again_right_after_a_jump() -> None:
    for at in (195, 198, 199):
        made = through(NOON, timedelta(hours=-1), at=at)
        assert made.iterations_per_s() == pytest.approx(20, rel=0.05)


def with_vector(count: int, times: int = 2) -> History:
    """A training that tests an accuracy, a value a class, and a loss, as Caffe's log has them."""
    parser, made = LogParser(), History()
    prefix = "I1123 09:30:52.724179 30536 solver.cpp:239] "
    names = ["accuracy", *["per_class"] * count, "loss"]
    for iteration in range(times):
        lines = [f"Iteration {iteration}, Testing net (#0)"]
        lines += [
            f"    Test net output #{number}: {name} = {number / 10 + iteration}"
            for number, name in enumerate(names)
        ]
        for line in lines:
            if event := parser.parse((prefix + line).encode()):
                made.add(event)
    return made


def test_an_output_of_several_values_has_a_series_a_value() -> None:
    made = with_vector(3)
    columns = ["accuracy", "per_class[0]", "per_class[1]", "per_class[2]", "loss"]
    assert list(made.val.columns) == columns
    assert made.val.columns["per_class[0]"] == [0.1, 1.1]
    assert made.val.columns["per_class[2]"] == [0.3, 1.3]
    assert csv_header(made)[4:] == [f"val:{name}" for name in columns]
    rows = made.rows()
    assert [row["val:per_class[1]"] for row in rows] == [0.2, 1.2]
    outputs = history_json(made, 1)["val"]["outputs"]
    assert list(outputs) == columns


def test_values_of_an_accuracy_are_drawn_in_percent() -> None:
    chart = combined_chart(with_vector(3), 1, {"accuracy", "per_class"})
    series = {name: values for name, *values in chart["columns"]}
    assert series["per_class[1]-val"] == [pytest.approx(20), pytest.approx(120)]
    assert chart["names"]["per_class[1]-val"] == "per_class[1] (val)"
    assert chart["axes"] == dict.fromkeys(
        ["accuracy-val", "per_class[0]-val", "per_class[1]-val", "per_class[2]-val"], "y2"
    )


def test_a_vector_that_is_reached_again_after_a_resume_keeps_its_columns() -> None:
    made = with_vector(2, times=3)
    made.add(training_log.Started(10.0))
    made.add(training_log.ValOutput(11.0, 1, "per_class", 7.0, 0))
    made.add(training_log.ValOutput(11.0, 1, "per_class", 8.0, 1))
    assert made.val.iterations == [0, 1]
    assert made.val.columns["per_class[0]"] == [0.1, 7.0]
    assert made.val.columns["per_class[1]"] == [0.2, 8.0]


def test_more_values_than_can_be_told_apart_are_kept_but_not_drawn() -> None:
    made = with_vector(MOST_CURVES + 1)
    assert len(made.val.columns) == MOST_CURVES + 3
    assert [name for name, *_ in combined_chart(made, 1, ())["columns"]] == [
        "val_epochs",
        "accuracy-val",
        "loss-val",
    ]


def test_the_content_of_a_layer_that_nobody_reads_is_no_measure() -> None:
    kept, dropped = with_vector(MOST_VALUES), with_vector(MOST_VALUES + 1)
    assert len(kept.val.columns) == MOST_VALUES + 2
    assert list(dropped.val.columns) == ["accuracy", "loss"]
    assert dropped.val.columns["loss"][-1] is not None


@pytest.mark.parametrize(("began", "jump"), JUMPS.values(), ids=JUMPS)
@pytest.mark.parametrize("at", [1, 100])
def test_what_a_log_says_of_its_own_time_is_right_whatever_the_clock_does(
    began: datetime, jump: timedelta, at: int
) -> None:
    made = through(began, jump, at=at, every_s=700.0, is_told=True)
    assert made.trained_s == pytest.approx(199 * 700.0)
    assert made.train.times_s == pytest.approx([700.0 * number for number in range(200)])


def test_the_time_between_two_processes_does_not_count() -> None:
    made = History()
    for began, ended in ((100.0, 160.0), (9_000.0, 9_030.0)):
        made.add(training_log.Started(began))
        made.add(training_log.Elapsed(began, 0.0))
        made.add(training_log.Elapsed(ended, ended - began))
    assert made.trained_s == pytest.approx(90)
