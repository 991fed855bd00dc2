"""The tables that a training's log holds, for Caffe's programs that read logs.

In: a log of `caffe train`, real Caffe's or ours.  Out: for the training and the test net a table, a
row an iteration.

Elsewhere: what a line says (`formats/training_log.py`).
Source: what tools/extra/parse_log.py writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from digits.caffe.errors import DataError
from digits.caffe.formats.training_log import (
    YEAR_S,
    LogParser,
    Rate,
    Stamped,
    TrainLoss,
    TrainOutput,
    ValOutput,
    stamped,
)


@dataclass
class Row:
    """What a log says of an iteration; `seconds` since the line that says "Solving"."""

    iteration: int
    seconds: float
    rate: float = math.nan
    loss: float | None = None  # smoothed, of the training net; None until it is said
    outputs: dict[str, float] = field(default_factory=dict)


@dataclass
class Tables:
    """The rows of the training net and of the test nets, in the order of the log."""

    train: list[Row] = field(default_factory=list)
    test: list[Row] = field(default_factory=list)
    # What was said last; of a test, that counts.
    _rate: float = math.nan
    _loss: float | None = None

    def take(self, event: object, seconds: float) -> None:
        """Take in what a line says; as Caffe's program, without our exact means."""
        match event:
            case TrainLoss(value=value):
                self._loss = value
            case Rate(iteration=iteration, value=value):
                self._rate = value
                # It is said after the outputs of its iteration.
                if self.train and self.train[-1].iteration == iteration:
                    self.train[-1].rate = value
            case TrainOutput(iteration=iteration, name=name, value=value):
                self._row(self.train, iteration, seconds).outputs[name] = value
            case ValOutput(iteration=iteration, blob=name, value=value, is_exact=False):
                self._row(self.test, iteration, seconds).outputs[name] = value

    def _row(self, table: list[Row], iteration: int, seconds: float) -> Row:
        if not table or table[-1].iteration != iteration:
            table.append(Row(iteration, seconds, self._rate, self._loss))
        return table[-1]


def read_tables(log: Path) -> Tables:
    """The tables of a log; DataError when it is no log of a training."""
    tables, parser = Tables(), LogParser()
    for seconds, line in timed_lines(log):
        tables.take(parser.parse_stamped(line), seconds)
    # The first test comes before the first rate is said.
    if len(tables.test) > 1 and math.isnan(tables.test[0].rate):
        tables.test[0].rate = tables.test[1].rate
    return tables


def timed_lines(log: Path) -> Iterator[tuple[float, Stamped]]:
    """Each line from "Solving" on with its seconds since then; DataError when there is none."""
    start = last_s = None
    years = 0
    for line in _stamped_lines(log):
        if last_s is not None and last_s - line.time_s > YEAR_S / 2:
            years += 1
        last_s = line.time_s
        if start is None and b"Solving" in line.message:
            start = line.time_s
        if start is not None:
            yield round(line.time_s - start + years * YEAR_S, 6), line
    if start is None:
        raise DataError(f'{log} is no log of a training: no line of it says "Solving"')


def _stamped_lines(log: Path) -> Iterator[Stamped]:
    with log.open("rb") as lines:
        yield from filter(None, map(stamped, lines))
