"""The log lines: what is written is what is read back."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.base.progress import (
    LINE_FORMAT,
    TIME_FORMAT,
    Distribution,
    Done,
    Failed,
    Progress,
    ProgressMeter,
    Skipped,
    Warned,
    log,
    log_distribution,
    log_skipped,
    parse_line,
    printable,
)

STAMP = "2015-04-21 14:06:40"


@pytest.fixture
def lines(caplog):
    """The lines that have been logged, as a program writes them."""
    caplog.set_level(logging.INFO, "digits.tools")
    formatter = logging.Formatter(LINE_FORMAT, TIME_FORMAT)
    return lambda: [formatter.format(record) for record in caplog.records]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            "[INFO] Progress: 1234/5000 pictures, 560 pictures/s, 7 s left",
            Progress(1234, 5000, "pictures", 560.0, 7),
        ),
        ("[INFO] Progress: 17/? pictures, 4.5 pictures/s", Progress(17, None, "pictures", 4.5)),
        ("[INFO] Progress: 0/9 pictures", Progress(0, 9, "pictures")),
        (
            '[INFO] Distribution of train: {"cat": 2, "b: {": 1}',
            Distribution("train", {"cat": 2, "b: {": 1}),
        ),
        ('[WARNING] Skipped "/a: b/\\"c.jpg": no: such', Skipped('/a: b/"c.jpg', "no: such")),
        ("[WARNING] Category 'x' is left out.", Warned("Category 'x' is left out.")),
        ("[INFO] Done: 12 pictures.", Done("12 pictures.")),
        ("[ERROR] Error: There is no folder x.", Failed("There is no folder x.")),
        ("[INFO] Shuffling with seed 3.", None),
        ("[INFO] Distribution of train: {oops}", None),
        ('[INFO] Distribution of train: {"a": "b"}', None),
        ("[INFO] Progress: x/9 pictures", None),
    ],
)
def test_each_kind_of_line_is_understood(line, event):
    assert parse_line(f"{STAMP} {line}\n") == event


@given(st.text())
def test_no_line_is_too_strange(text):
    for line in (text, f"{STAMP} [INFO] {text}", f"{STAMP} [INFO] Distribution of a: {{{text}}}"):
        parse_line(line)


def test_a_meter_logs_rate_and_time_left_a_few_times_a_second(lines):
    now = [100.0]
    meter = ProgressMeter("pictures", 1000, clock=lambda: now[0])
    for _ in range(100):  # 10 s, 10 pictures each 0.1 s
        now[0] += 0.1
        meter.add(10)
    meter.finish()
    events = [parse_line(line) for line in lines()]
    assert 15 <= len(events) <= 21
    assert events[0] == Progress(60, 1000, "pictures", 100.0, 9)
    assert events[-1] == Progress(1000, 1000, "pictures", 100.0, 0)
    assert events[-1].fraction == 1.0


def test_the_rate_is_that_of_the_last_seconds(lines):
    now = [0.0]
    meter = ProgressMeter("pictures", 10_000, clock=lambda: now[0])
    for second in range(60):
        now[0] += 1
        meter.add(100 if second < 30 else 10)
    assert parse_line(lines()[-1]).per_second == 10.0


def test_skipped_paths_of_all_kinds_come_back_in_one_line(lines):
    for path in ("/a b/ü.jpg", "two\nlines.png", 'quo"te: x.png', "latin\udce4.png", "\ud800.png"):
        log_skipped(path, "broken\npicture")
        assert parse_line(lines()[-1]) == Skipped(printable(path), "broken\\npicture")
    assert printable("latin\udce4\n") == "latin\\xe4\\n"


def test_a_distribution_keeps_its_order_and_its_letters(lines):
    log_distribution("train", {"Ä b": 3, "a": 0})
    assert '{"Ä b": 3, "a": 0}' in lines()[0]
    event = parse_line(lines()[0])
    assert event == Distribution("train", {"Ä b": 3, "a": 0})
    assert list(event.counts) == ["Ä b", "a"]


def test_a_warning_is_for_the_user(lines):
    log.warning("Category %r is left out.", "x")
    assert parse_line(lines()[0]) == Warned("Category 'x' is left out.")
