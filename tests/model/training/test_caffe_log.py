"""The parser of Caffe's logs, on logs that BVLC Caffe 1.0 wrote (`logs/`) and on broken ones."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pytest

from digits.model.training import caffe_log
from digits.model.training.caffe_log import LogParser
from digits.model.training.history import History

LOGS = Path(__file__).parent / "logs"


def events(lines: Iterable[str]) -> list[caffe_log.Event]:
    parser = LogParser()
    return [event for line in lines for event in parser.parse(line)]


def read(*names: str) -> History:
    """The history of one or more logs, one appended to the other."""
    history = History()
    parser = LogParser()
    for name in names:
        for line in (LOGS / f"{name}.log").read_text(errors="replace").splitlines():
            for event in parser.parse(line):
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
        for event in parser.parse(prefix + text):
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
    assert [type(event) for event in found] == [caffe_log.TrainLoss, caffe_log.TrainOutput]
    output = found[1]
    assert isinstance(output, caffe_log.TrainOutput)
    assert (output.iteration, output.name, output.value) == (8, "loss1/loss", 1.25)


def test_older_caffes_lines_without_speed_are_read() -> None:
    [event] = events(["I0421 14:06:42.000000 99 solver.cpp:189] Iteration 10, loss = 0.5"])
    assert isinstance(event, caffe_log.TrainLoss)
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
    assert not [e for e in events(text[: number + 1]) if isinstance(e, caffe_log.Snapshot)]
    assert [e for e in events(text[: number + 2]) if isinstance(e, caffe_log.Snapshot)]


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
    whole = {
        repr(event)
        for event in events(text.splitlines())
        if not isinstance(event, caffe_log.Started | caffe_log.Finished)
    }
    start = text.index("Starting Optimization")
    for cut in range(start, len(text), 41):
        joined = text[:cut] + text
        for event in events(joined.splitlines()):
            if not isinstance(event, caffe_log.Started | caffe_log.Finished):
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
    assert isinstance(found[1], caffe_log.ValOutput)
    assert found[1].name == "accuracy (test net 1)"


def test_times_count_on_over_the_end_of_a_month() -> None:
    first, second = events(
        [
            "I0131 23:59:59.500000 1 solver.cpp:289] Iteration 1, lr = 1",
            "I0201 00:00:00.750000 1 solver.cpp:289] Iteration 2, lr = 1",
        ]
    )
    assert second.time_s - first.time_s == pytest.approx(1.25)
