"""The parser of Caffe's logs, on logs that BVLC Caffe 1.0 wrote (`logs/`) and on broken ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from digits.caffe.formats import training_log
from digits.caffe.formats.training_log import LogParser
from digits.model.training.history import History

LOGS = Path(__file__).parents[2] / "model" / "training" / "logs"
STAMP = "I1123 09:30:52.724179 30536 solver.cpp:239] "
# What a log that is cut off and written on says twice, and rightly.
UNCERTAIN = (training_log.Started, training_log.Finished)


def events(lines: Iterable[str]) -> list[training_log.Event]:
    parser = LogParser()
    parsed = [parser.parse(line.encode()) for line in lines]
    return [event for event in parsed if event is not None]


def read(*names: str) -> History:
    """The history of one or more logs, one appended to the other."""
    history = History()
    parser = LogParser()
    for name in names:
        for line in (LOGS / f"{name}.log").read_bytes().splitlines():
            if event := parser.parse(line):
                history.add(event)
    return history


def test_a_complete_log_gives_every_point() -> None:
    history = read("train_ok")
    assert history.train.iterations == [0, 12, 24, 36, 48, 60, 72, 84, 96]
    assert history.train.columns["loss"][:2] == [2.33241, 1.80444]
    assert history.val.iterations == [0, 25, 50, 75, 100]
    assert history.val.columns["accuracy"] == [0.0533333, 1, 1, 1, 1]
    assert history.val.columns["loss"][1] == 0.093165
    assert history.rate.columns["lr"] == [0.01] * 3 + [0.001] * 3 + [0.0001] * 3
    assert history.snapshots == {50: "snap_iter_50.caffemodel", 100: "snap_iter_100.caffemodel"}
    assert history.iteration == 100
    assert history.finished
    assert not history.finished.early


def test_stamps_with_the_year_give_the_same_events() -> None:
    """What used to happen: logs of glog 0.6 and later gave no event at all."""
    lines = (LOGS / "train_ok.log").read_text().splitlines()
    later = [re.sub(r"^([IWEF])(\d{4} )", r"\g<1>2026\2", line) for line in lines]
    assert later != lines
    assert events(later) == events(lines)


def test_exact_means_take_the_place_of_those_over_batches() -> None:
    prefix = "I1123 09:30:52.724179 30536 solver.cpp:414]"
    history = History()
    parser = LogParser()
    for text in (
        " Iteration 8, Testing net (#0)",
        "     Test net output #0: accuracy = 0.65",
        "     Test net output #1: loss = 1.2 (* 1 = 1.2 loss)",
        "     Test net over 30 items #0: accuracy = 0.6666666666666666",
        "     Test net over 30 items #1: loss = 1e-07",
    ):
        if event := parser.parse((prefix + text).encode()):
            history.add(event)
    assert history.val.iterations == [8]
    assert history.val.columns == {"accuracy": [2 / 3], "loss": [1e-7]}


def test_outputs_with_a_loss_weight_have_their_own_value() -> None:
    found = events(
        [
            "I1123 09:30:52.724179 30536 solver.cpp:239] Iteration 8 (3 iter/s, 2s/6 iters), "
            "loss = 3.1",
            "I1123 09:30:52.724241 30536 solver.cpp:258]     Train net output #1: loss1/loss = "
            "1.25 (* 0.3 = 0.375 loss)",
        ]
    )
    assert [type(event) for event in found] == [training_log.TrainLoss, training_log.TrainOutput]
    output = found[1]
    assert isinstance(output, training_log.TrainOutput)
    assert (output.iteration, output.name, output.value) == (8, "loss1/loss", 1.25)


def test_older_caffes_lines_without_speed_are_read() -> None:
    [event] = events(["I0421 14:06:42.000000 99 solver.cpp:189] Iteration 10, loss = 0.5"])
    assert isinstance(event, training_log.TrainLoss)
    assert (event.iteration, event.value) == (10, 0.5)


@pytest.mark.parametrize("log", ["train_nan", "train_diverged_softmax"])
def test_nan_is_a_value(log: str) -> None:
    history = read(log)
    assert history.diverged()
    assert math.isnan(history.loss or 0)


def test_training_that_stopped_early_says_so() -> None:
    finished = read("train_sigint").finished
    assert finished
    assert finished.early


def test_a_snapshot_counts_when_its_weights_are_written() -> None:
    text = (LOGS / "train_ok.log").read_text().splitlines()
    number = next(n for n, line in enumerate(text) if "Snapshotting to" in line)
    assert not [e for e in events(text[: number + 1]) if isinstance(e, training_log.Snapshot)]
    assert [e for e in events(text[: number + 2]) if isinstance(e, training_log.Snapshot)]


def test_fatal_checks_are_kept_with_their_message() -> None:
    [problem] = read("train_missing_mean").problems
    assert problem.severity == "F"
    assert problem.message.endswith("File not found: missing.binaryproto")


def test_a_resumed_log_that_is_appended_doubles_no_point() -> None:
    history = read("resumable", "resumed")
    assert history.train.iterations == list(range(0, 20))
    assert history.val.iterations == [0, 10, 20]
    assert history.finished
    # The later run's values stand: it went on from iteration 10.
    assert history.train.columns["loss"][10] == 1.18808


def test_points_that_a_resumed_training_has_lost_vanish() -> None:
    first = (LOGS / "resumable.log").read_text().splitlines()
    second = (LOGS / "resumed.log").read_text().splitlines()
    until_12 = next(n for n, line in enumerate(second) if "Iteration 12," in line or
                    "Iteration 12 (" in line)  # fmt: skip
    history = History()
    for event in events([*first, *second[:until_12]]):
        history.add(event)
    assert history.train.iterations == list(range(0, 12))
    assert history.val.iterations == [0, 10]


@pytest.mark.parametrize("log", ["train_ok", "resumable", "train_nan"])
def test_a_log_cut_anywhere_and_appended_to_is_read_without_false_values(log: str) -> None:
    text = (LOGS / f"{log}.log").read_text()
    whole = {repr(event) for event in events(text.splitlines()) if not isinstance(event, UNCERTAIN)}
    start = text.index("Starting Optimization")
    for cut in range(start, len(text), 41):
        joined = text[:cut] + text
        for event in events(joined.splitlines()):
            if not isinstance(event, UNCERTAIN):
                assert repr(event) in whole


@pytest.mark.parametrize(
    "line",
    [
        "",
        "loss = 3",
        "I1123",
        "I1123 09:30:52.713191 30536 solver.cpp:239]",
        "I1123 09:30:52.713191 30536 solver.cpp:239] Iteration 12 (461.538 iter/s, 0.026s/12 it",
        "I1123 09:30:52.713191 30536 solver.cpp:239] Iteration 12, loss = ",
        "I1123 09:30:52.713191 30536 solver.cpp:239] Iteration 12, loss = 1e-",
        "I1123 09:30:52.713191 30536 solver.cpp:258]     Train net output #0: loss = 1.8 (* 1 = 1",
        "I9999 99:99:99.999999 1 x.cpp:1] Iteration 1, loss = x",
        "\ufffd\x00\x1b[31m",
        "Iteration 12, loss = 1" * 10_000,
    ],
)
def test_lines_that_say_nothing_give_no_event(line: str) -> None:
    assert events([line]) == []


def test_a_second_test_net_is_told_apart() -> None:
    found = events(
        [
            "I1123 09:30:52.716394 30536 solver.cpp:347] Iteration 4, Testing net (#1)",
            "I1123 09:30:52.721446 30536 solver.cpp:414]     Test net output #0: accuracy = 0.5",
        ]
    )
    assert isinstance(found[1], training_log.ValOutput)
    assert found[1].name == "accuracy (test net 1)"


def test_times_count_on_over_the_end_of_a_month() -> None:
    first, second = events(
        [
            "I0131 23:59:59.500000 1 solver.cpp:289] Iteration 1, lr = 1",
            "I0201 00:00:00.750000 1 solver.cpp:289] Iteration 2, lr = 1",
        ]
    )
    assert second.time_s - first.time_s == pytest.approx(1.25)


@pytest.mark.parametrize(
    "message",
    [
        "Iteration 12, loss = 3.5",
        "Iteration 12 (46.1 iter/s, 0.26s/12 iters), loss = -nan",
        "Iteration 12, lr = 1e-05",
        "Iteration 12, Testing net (#3)",
        "    Train net output #0: loss = 3 (* 0.3 = 0.9 loss)",
        "    Test net output #4: a/b = inf",
        "    Test net over 30 items #0: accuracy = 0.6666",
    ],
)
def test_ordinary_lines_are_read_alike_the_fast_way_and_with_care(message: str) -> None:
    before = [f"{STAMP}Iteration 8, loss = 1", f"{STAMP}Iteration 8, Testing net (#0)"]
    fast, careful = LogParser(), LogParser()
    for line in before:
        fast.parse(line.encode())
        careful.parse(line.encode())
    line = f"{STAMP}{message}".encode()
    found = training_log.stamped(line)
    assert found
    assert training_log._ordinary(line)
    assert repr(fast.parse(line)) == repr(careful.parse_stamped(found))


def test_names_that_the_fast_way_does_not_know_are_read_with_care() -> None:
    [_, event] = events(
        [f"{STAMP}Iteration 8, loss = 1", f"{STAMP}  Train net output #0: a [1] = 2"]
    )
    assert isinstance(event, training_log.TrainOutput)
    assert (event.name, event.value) == ("a [1]", 2.0)


def test_numbers_without_end_are_no_iterations() -> None:
    assert events([f"{STAMP}Iteration {'9' * 5000}, loss = 1"]) == []
