"""What the lines of a training's log say, from real Caffe and from ours alike.

In: lines of `caffe train`'s log, in order, as bytes.  Out: events.  Lines that say nothing of the
training's course, and lines that were cut off, give none.  Where a killed process left half a line
and the next process wrote on behind it, the half is dropped and the rest is read.

A long log has ten million lines, so a line is held against one expression first that knows the
ordinary ones; only what it does not know is looked at with care.

Elsewhere: Caffe's programs that read logs (`tools/training_log.py`); what the pages make of the
events is not the engine's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

# Events -------------------------------------------------------------------------------------------
# The first field of each, `time_s`, counts from the start of the log's (unknown) year.


class Started(NamedTuple):
    """A process has begun to train: the first one, or one that goes on with a snapshot."""

    time_s: float


class Elapsed(NamedTuple):
    """The seconds since the process began to train, by a clock that nobody sets; ours says so."""

    time_s: float
    seconds: float


class TrainLoss(NamedTuple):
    """The smoothed total loss that is displayed before the outputs of an iteration."""

    time_s: float
    iteration: int
    value: float


class TrainOutput(NamedTuple):
    """A value of an output blob of the training network; `place` tells those of one blob apart."""

    time_s: float
    iteration: int
    name: str
    value: float
    place: int = 0


class ValOutput(NamedTuple):
    """A value of an output blob of a validation network, averaged over the validation set.

    Of our engine exactly (`is_exact`): it says so after Caffe's average over whole batches, which
    comes first.  `name` tells the networks apart, `blob` is its name in the network.
    """

    time_s: float
    iteration: int
    name: str
    value: float
    place: int = 0
    is_exact: bool = False
    blob: str = ""


class Rate(NamedTuple):
    """The learning rate of an iteration."""

    time_s: float
    iteration: int
    value: float


class Testing(NamedTuple):
    """A pass over the validation set begins."""

    time_s: float
    iteration: int


class Snapshot(NamedTuple):
    """A snapshot's weights are on disk, whole: its solver state is being written."""

    time_s: float
    iteration: int
    weights_name: str


class Finished(NamedTuple):
    """The training has ended as it should; `early` when it was told to stop."""

    time_s: float
    early: bool


class Problem(NamedTuple):
    """A warning, error or fatal check."""

    time_s: float
    severity: str  # W, E or F
    message: str


Event = (
    Started | Elapsed | TrainLoss | TrainOutput | ValOutput | Rate | Testing | Snapshot
    | Finished | Problem
)  # fmt: skip


class Stamped(NamedTuple):
    """A line with glog's stamp: when and how severe it is, and what it says."""

    time_s: float
    severity: str  # I, W, E or F
    message: bytes


# Lines --------------------------------------------------------------------------------------------

_NUMBER = rb"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf))"
# glog 0.6 and later write the year before the month.
_STAMP = rb"(?:\d{4})?(\d{4} \d\d:\d\d:\d\d)\.(\d{6})\s+\d+ [\w.+-]+:\d+\] ?"
_PREFIX = re.compile(rb"([IWEF])" + _STAMP)
_WEIGHTED = rb"(?: \(\* \S+ = \S+ loss\))?"
# Ours adds the exact means over the validation set, which take the place of Caffe's.
_OUTPUT_OF = rb"(Train|Test) net (output|over \d+ items) #(\d{1,18}): "
# The numbers of these groups tell what a line is.  Nothing in it may hold a "]", which may be that
# of a second stamp.
_LOSS, _RATE, _OUTPUT = 4, 5, 11
_ordinary = re.compile(
    rb"I" + _STAMP + rb"\s*(?:Iteration (\d{1,18})(?:(?: \([^\]()]*iters?\))?, loss = " + _NUMBER
    + rb"|, lr = " + _NUMBER + rb"|, Testing net \(#(\d{1,18})\))"
    + rb"|" + _OUTPUT_OF + rb"([^\]\s]+) = " + _NUMBER + _WEIGHTED + rb")\s*"
).fullmatch  # fmt: skip
# Of the leap year that is taken for every year.
YEAR_S = 366 * 86_400.0
_DAYS_BEFORE = [0, *accumulate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30))]


def stamped(line: bytes) -> Stamped | None:
    """A line's last stamp and what follows it: what stands before it was cut off.

    None for a line without a stamp.
    """
    prefix = None
    for prefix in _PREFIX.finditer(line):  # noqa: B007 - the last one
        pass
    if prefix is None:
        return None
    time_s = _whole_seconds(prefix[2]) + int(prefix[3]) / 1e6
    return Stamped(time_s, prefix[1].decode(), line[prefix.end() :].rstrip())


# Several lines come in a second.
@lru_cache(maxsize=16)
def _whole_seconds(stamp: bytes) -> int:
    """Seconds since the start of a year; older glogs do not say which: a leap year is taken."""
    minutes = 60 * int(stamp[5:7]) + int(stamp[8:10])
    return _day_begins(stamp[:4]) + 60 * minutes + int(stamp[11:])


@lru_cache(maxsize=16)
def _day_begins(stamp: bytes) -> int:
    month, day = int(stamp[:2]), int(stamp[2:])
    return (_DAYS_BEFORE[min(12, max(1, month)) - 1] + day - 1) * 86_400


class LogParser:
    """Turns lines into events; keeps which iteration and test network the next outputs are of."""

    def __init__(self) -> None:
        self._iteration: int | None = None
        self._test_iteration: int | None = None
        self._test_net = 0
        self._stopped_early = False
        # The output of the line before: a blob of several values has a line a value, each with the
        # next number.
        self._last_phase = self._last_name = b""
        self._last_number = self._last_place = 0

    def state(self) -> list[Any]:
        """What it keeps between two lines, as plain JSON."""
        last = self._last_phase.decode(), self._last_name.decode("latin-1")
        return [
            self._iteration, self._test_iteration, self._test_net, self._stopped_early,
            *last, self._last_number, self._last_place,
        ]  # fmt: skip

    def set_state(self, state: Sequence[Any]) -> None:
        """Go on where `state` was asked; TypeError or ValueError for anything else."""
        iteration, test_iteration, net, early, phase, name, number, place = state
        self._iteration = None if iteration is None else int(iteration)
        self._test_iteration = None if test_iteration is None else int(test_iteration)
        self._test_net, self._stopped_early = int(net), bool(early)
        self._last_phase, self._last_name = str(phase).encode(), str(name).encode("latin-1")
        self._last_number, self._last_place = int(number), int(place)

    def parse(self, line: bytes) -> Event | None:
        """The event of a line, if it is one."""
        found = _ordinary(line)
        if found is None:
            rare = stamped(line)
            return None if rare is None else self.parse_stamped(rare)
        kind = found.lastindex
        if kind == _OUTPUT:
            stamp, micros, phase, means, number, name, value = found.group(1, 2, 7, 8, 9, 10, 11)
            time_s = _whole_seconds(stamp) + int(micros) / 1e6
            return self._output(time_s, phase, means, int(number), name, float(value))
        stamp, micros, at, value = found.group(1, 2, 3, kind or 0)
        time_s = _whole_seconds(stamp) + int(micros) / 1e6
        iteration = int(at)
        if kind == _LOSS:
            self._iteration = iteration
            return TrainLoss(time_s, iteration, float(value))
        if kind == _RATE:
            return Rate(time_s, iteration, float(value))
        return self._testing(time_s, iteration, int(value))

    def parse_stamped(self, line: Stamped) -> Event | None:
        """The same of a line whose stamp has been read."""
        time_s, severity, message = line
        if severity != "I":
            return Problem(time_s, severity, message.decode("utf-8", "replace"))
        for pattern, handle in _HANDLERS:
            if found := pattern.match(message):
                return handle(self, time_s, found)
        return None

    def _loss(self, time_s: float, found: re.Match[bytes]) -> Event:
        self._iteration = int(found[1])
        return TrainLoss(time_s, self._iteration, float(found[2]))

    def _rate(self, time_s: float, found: re.Match[bytes]) -> Event:
        return Rate(time_s, int(found[1]), float(found[2]))

    def _test_begins(self, time_s: float, found: re.Match[bytes]) -> Event:
        return self._testing(time_s, int(found[1]), int(found[2]))

    def _testing(self, time_s: float, iteration: int, net: int) -> Event:
        self._test_iteration, self._test_net = iteration, net
        return Testing(time_s, iteration)

    def _any_output(self, time_s: float, found: re.Match[bytes]) -> Event | None:
        phase, means, number, name, value = found.groups()
        return self._output(time_s, phase, means, int(number), name, float(value))

    def _output(
        self, time_s: float, phase: bytes, means: bytes, number: int, name: bytes, value: float
    ) -> Event | None:
        place = self._place(phase, number, name)
        blob = name.decode("utf-8", "replace")
        if phase == b"Train":
            if self._iteration is None:
                return None
            return TrainOutput(time_s, self._iteration, blob, value, place)
        if self._test_iteration is None:
            return None
        shown = f"{blob} (test net {self._test_net})" if self._test_net else blob
        is_exact = means != b"output"
        return ValOutput(time_s, self._test_iteration, shown, value, place, is_exact, blob)

    def _place(self, phase: bytes, number: int, name: bytes) -> int:
        """Which value of its blob an output is, from 0."""
        place = 0
        if number == self._last_number + 1 and (name, phase) == (self._last_name, self._last_phase):
            place = self._last_place + 1
        self._last_phase, self._last_name = phase, name
        self._last_number, self._last_place = number, place
        return place

    def _snapshot(self, time_s: float, found: re.Match[bytes]) -> Event:
        base, iteration, ending = found.groups()
        name = (base + b".caffemodel" + ending).decode("utf-8", "replace")
        return Snapshot(time_s, int(iteration), name)

    def _started(self, time_s: float, found: re.Match[bytes]) -> Event:
        # Outputs of the process before it must not be taken for this one's.
        self._iteration = self._test_iteration = None
        return Started(time_s)

    def _elapsed(self, time_s: float, found: re.Match[bytes]) -> Event:
        return Elapsed(time_s, float(found[1]))

    def _finished(self, time_s: float, found: re.Match[bytes]) -> Event:
        # Real Caffe says "stopped early" (solver), then "Done" (program) all the same.
        self._stopped_early = self._stopped_early or found[1] != b"Done"
        return Finished(time_s, early=self._stopped_early)


_Handler = Callable[[LogParser, float, re.Match[bytes]], Event | None]
_ITERATION = rb"Iteration (\d{1,18})"
_HANDLERS: tuple[tuple[re.Pattern[bytes], _Handler], ...] = tuple(
    (re.compile(pattern + rb"$"), handle)
    for pattern, handle in (
        (rb"\s*" + _OUTPUT_OF + rb"(.+) = " + _NUMBER + _WEIGHTED, LogParser._any_output),
        (_ITERATION + rb"(?: \(.*iters?\))?, loss = " + _NUMBER, LogParser._loss),
        (_ITERATION + rb", lr = " + _NUMBER, LogParser._rate),
        (_ITERATION + rb", Testing net \(#(\d{1,18})\)", LogParser._test_begins),
        (
            # The line about the weights comes before they are written, the one about the state
            # after.
            rb"Snapshotting solver state to (?:binary proto|HDF5) file (.*_iter_(\d{1,18}))"
            rb"\.solverstate(\S*)",
            LogParser._snapshot,
        ),
        (rb"Elapsed: " + _NUMBER + rb" s", LogParser._elapsed),
        (rb"Starting Optimization", LogParser._started),
        (rb"Optimization (Done|stopped early)\.", LogParser._finished),
    )
)
