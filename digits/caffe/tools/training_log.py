"""The tables that a training's log holds, for Caffe's programs that read logs.

In: a log of `caffe train`, real Caffe's or ours.  Out: for the training and the test net a table, a
row an iteration.

Elsewhere: what the web pages read of a log, line by line while it grows, is their own.
Source: what tools/extra/parse_log.py writes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digits.caffe.errors import DataError

_LINE = re.compile(r"[IWEF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6})\s+\d+ \S+\] (.*)")
_ITERATION = re.compile(r"Iteration (\d+)")
_RATE = re.compile(r"\blr = (\S+)")
_LOSS = re.compile(r"Iteration \d+.*, loss = (\S+)")
_OUTPUT = re.compile(r"(Train|Test) net output #\d+: (\S+) = (\S+)")
# Stamps have no year.  A leap year, so that 29 February is a day of it.
_YEAR = 2000
_HALF_A_YEAR = timedelta(days=183)


@dataclass
class Row:
    """What a log says of an iteration; `seconds` since the line that says "Solving"."""

    iteration: int
    seconds: float
    rate: float = math.nan
    loss: float = math.nan  # smoothed, of the training net
    outputs: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Tables:
    """The rows of the training net and of the test nets, in the order of the log."""

    train: list[Row]
    test: list[Row]


def read_tables(lines: Iterable[str]) -> Tables:
    """The tables of a log; DataError when it is no log of a training."""
    tables = Tables([], [])
    row, rate, train_loss = None, math.nan, math.nan
    for seconds, text in timed_lines(lines):
        if found := _ITERATION.search(text):
            row = Row(int(found.group(1)), seconds)
        if row is None:
            continue
        if found := _LOSS.search(text):
            train_loss = _number(found.group(1))
        if found := _RATE.search(text):
            rate = _number(found.group(1))
            _set_rate(tables, row.iteration, rate)
        if found := _OUTPUT.search(text):
            table = tables.train if found.group(1) == "Train" else tables.test
            if not table or table[-1].iteration != row.iteration:
                table.append(Row(row.iteration, seconds, rate, train_loss))
            table[-1].outputs[found.group(2)] = _number(found.group(3))
    _fill_first_rate(tables.test)
    return tables


def timed_lines(lines: Iterable[str]) -> Iterator[tuple[float, str]]:
    """Each line from "Solving" on with its seconds since then; DataError when there is none."""
    start = last = None
    years = 0
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        time = _time(*map(int, found.groups()[:6]))
        if last is not None and last - time > _HALF_A_YEAR:
            years += 1
        last = time
        if start is None and "Solving" in found.group(7):
            start = time
        if start is not None:
            yield (time - start + timedelta(days=366 * years)).total_seconds(), found.group(7)
    if start is None:
        raise DataError('this is no log of a training: no line of it says "Solving"')


def _set_rate(tables: Tables, iteration: int, rate: float) -> None:
    """The rate of an iteration is said after its outputs; of a test, the last one said counts."""
    if tables.train and tables.train[-1].iteration == iteration:
        tables.train[-1].rate = rate


def _fill_first_rate(table: list[Row]) -> None:
    """The first test comes before the first rate is said."""
    if len(table) > 1 and math.isnan(table[0].rate):
        table[0].rate = table[1].rate


def _time(month: int, day: int, hour: int, minute: int, second: int, micros: int) -> datetime:
    try:
        return datetime(_YEAR, month, day, hour, minute, second, micros)
    except ValueError as error:
        raise DataError(f"a line has a time that does not exist: {error}") from error


def _number(text: str) -> float:
    try:
        return float(text.rstrip(","))
    except ValueError:
        return math.nan
