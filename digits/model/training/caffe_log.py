"""Read the log of `caffe train`, line by line, from real Caffe and from ours alike.

In: lines of a log, in order.  Out: events.  Lines that say nothing of the training's course, and
lines that were cut off, give none.  Where a killed process left half a line and the next process
wrote on behind it, the half is dropped and the rest is read.

Elsewhere: what becomes of the events (`history.py`, `model/tasks/train.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate


@dataclass(frozen=True)
class Event:
    """Something that a log says; `time_s` counts from the start of the log's (unknown) year."""

    time_s: float


@dataclass(frozen=True)
class Started(Event):
    """A process has begun to train: the first one, or one that goes on with a snapshot."""


@dataclass(frozen=True)
class Elapsed(Event):
    """The seconds since the process began to train, by a clock that nobody sets; ours says so."""

    seconds: float


@dataclass(frozen=True)
class TrainLoss(Event):
    """The smoothed total loss that is displayed before the outputs of an iteration."""

    iteration: int
    value: float


@dataclass(frozen=True)
class TrainOutput(Event):
    """A value of an output blob of the training network; `place` tells those of one blob apart."""

    iteration: int
    name: str
    value: float
    place: int = 0


@dataclass(frozen=True)
class ValOutput(Event):
    """A value of an output blob of the validation network, averaged over the validation set.

    Of our engine exactly: it says so after Caffe's average over whole batches, which comes first.
    """

    iteration: int
    name: str
    value: float
    place: int = 0


@dataclass(frozen=True)
class Rate(Event):
    """The learning rate of an iteration."""

    iteration: int
    value: float


@dataclass(frozen=True)
class Testing(Event):
    """A pass over the validation set begins."""

    iteration: int


@dataclass(frozen=True)
class Snapshot(Event):
    """A snapshot's weights are on disk, whole: its solver state is being written."""

    iteration: int
    weights_name: str


@dataclass(frozen=True)
class Finished(Event):
    """The training has ended as it should; `early` when it was told to stop."""

    early: bool


@dataclass(frozen=True)
class Problem(Event):
    """A warning, error or fatal check."""

    severity: str  # W, E or F
    message: str


_NUMBER = r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf))"
_PREFIX = re.compile(
    r"(?P<severity>[IWEF])(?P<month>\d\d)(?P<day>\d\d) (?P<clock>\d\d:\d\d:\d\d)\.(?P<micros>\d{6})"
    r"\s+\d+ (?P<source>[\w.+-]+:\d+)\] ?"
)
_ITERATION = re.compile(rf"Iteration (\d+)(?: \(.*iters?\))?, loss = {_NUMBER}$")
_RATE = re.compile(rf"Iteration (\d+), lr = {_NUMBER}$")
_TESTING = re.compile(r"Iteration (\d+), Testing net \(#(\d+)\)$")
# Ours adds the exact means over the validation set, which take the place of Caffe's.
_OUTPUT = re.compile(
    rf"\s*(Train|Test) net (?:output|over \d+ items) #(\d+): (.+) = {_NUMBER}"
    r"(?: \(\* \S+ = \S+ loss\))?$"
)
# The line about the weights comes before they are written, the one about the state after.
_SNAPSHOT = re.compile(
    r"Snapshotting solver state to (?:binary proto|HDF5) file (.*_iter_(\d+))\.solverstate(\S*)$"
)
_ELAPSED = re.compile(rf"Elapsed: {_NUMBER} s$")
_STARTED = re.compile("Starting Optimization$")
_FINISHED = re.compile(r"Optimization (Done|stopped early)\.$")
# Of the leap year that is taken for every year.
YEAR_S = 366 * 86_400.0
_DAYS_BEFORE = [0, *accumulate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30))]


@dataclass
class LogParser:
    """Turns lines into events; keeps which iteration and test network the next outputs are of."""

    _iteration: int | None = None
    _test_iteration: int | None = None
    _test_net: int = 0
    _stopped_early: bool = False
    # The output of the line before (phase, name, number, place): a blob of several values has a
    # line a value, each with the next number.
    _last_output: tuple[str, str, int, int] = ("", "", 0, 0)

    def parse(self, line: str) -> Iterator[Event]:
        """The events of one line: none or one."""
        prefix = _last_prefix(line)
        if prefix is None:
            return
        time_s = _seconds(prefix)
        message = line[prefix.end() :].rstrip()
        if prefix["severity"] != "I":
            yield Problem(time_s, prefix["severity"], message)
            return
        for pattern, handle in self._handlers():
            if match := pattern.match(message):
                yield from handle(time_s, match)
                return

    def _handlers(
        self,
    ) -> tuple[tuple[re.Pattern[str], Callable[[float, re.Match[str]], Iterator[Event]]], ...]:
        return (
            (_OUTPUT, self._output),
            (_ITERATION, self._loss),
            (_RATE, self._rate),
            (_TESTING, self._testing),
            (_SNAPSHOT, self._snapshot),
            (_ELAPSED, self._elapsed),
            (_STARTED, self._started),
            (_FINISHED, self._finished),
        )

    def _loss(self, time_s: float, match: re.Match[str]) -> Iterator[Event]:
        self._iteration = int(match[1])
        yield TrainLoss(time_s, self._iteration, float(match[2]))

    def _rate(self, time_s: float, match: re.Match[str]) -> Iterator[Event]:
        yield Rate(time_s, int(match[1]), float(match[2]))

    def _testing(self, time_s: float, match: re.Match[str]) -> Iterator[Event]:
        self._test_iteration, self._test_net = int(match[1]), int(match[2])
        yield Testing(time_s, self._test_iteration)

    def _output(self, time_s: float, match: re.Match[str]) -> Iterator[Event]:
        phase, number, name, value = match[1], int(match[2]), match[3], float(match[4])
        place = self._place(phase, name, number)
        if phase == "Train" and self._iteration is not None:
            yield TrainOutput(time_s, self._iteration, name, value, place)
        if phase == "Test" and self._test_iteration is not None:
            if self._test_net:
                name = f"{name} (test net {self._test_net})"
            yield ValOutput(time_s, self._test_iteration, name, value, place)

    def _place(self, phase: str, name: str, number: int) -> int:
        """Which value of its blob an output is, from 0."""
        last_place = self._last_output[3]
        follows = self._last_output[:3] == (phase, name, number - 1)
        place = last_place + 1 if follows else 0
        self._last_output = (phase, name, number, place)
        return place

    def _snapshot(self, time_s: float, match: re.Match[str]) -> Iterator[Event]:
        yield Snapshot(time_s, int(match[2]), f"{match[1]}.caffemodel{match[3]}")

    def _started(self, time_s: float, match: re.Match[str]) -> Iterator[Event]:
        # Outputs of the process before it must not be taken for this one's.
        self._iteration = self._test_iteration = None
        yield Started(time_s)

    def _elapsed(self, time_s: float, match: re.Match[str]) -> Iterator[Event]:
        yield Elapsed(time_s, float(match[1]))

    def _finished(self, time_s: float, match: re.Match[str]) -> Iterator[Event]:
        # Real Caffe says "stopped early" (solver), then "Done" (program) all the same.
        self._stopped_early = self._stopped_early or match[1] != "Done"
        yield Finished(time_s, early=self._stopped_early)


def _last_prefix(line: str) -> re.Match[str] | None:
    """The last glog prefix in a line: what stands before it was cut off."""
    matches = list(_PREFIX.finditer(line))
    return matches[-1] if matches else None


def _seconds(prefix: re.Match[str]) -> float:
    """Seconds since the start of a year; glog does not say which, so a leap year is taken."""
    return _whole_seconds(prefix["month"], prefix["day"], prefix["clock"]) + (
        int(prefix["micros"]) / 1e6
    )


# Several lines come in a second: a long log is read a fifth faster.
@lru_cache(maxsize=16)
def _whole_seconds(month: str, day: str, clock: str) -> int:
    days = _DAYS_BEFORE[min(12, max(1, int(month))) - 1] + int(day) - 1
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
