"""What a training has shown so far: outputs, learning rates and snapshots by iteration.

In: the events of a log.  Out: tables of points, without doubles when a resumed training repeats
iterations; figures such as iterations a second; the same as CSV and as plain JSON.

Elsewhere: reading the log (`caffe_log.py`), points for drawing (`charts.py`).
"""

from __future__ import annotations

import csv
import io
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from digits.model.training import caffe_log
from digits.model.training.caffe_log import Event

# Iterations a second are taken over about this much time, so that they follow the present pace.
PACE_WINDOW_S = 60.0
ROWS_A_PIECE = 500
# How a local clock without a year jumps: summer time, a leap day that was none, New Year.
HOUR_S, DAY_S = 3600.0, 86_400.0
JUMPS_S = (-HOUR_S, HOUR_S, DAY_S, -caffe_log.YEAR_S, HOUR_S - caffe_log.YEAR_S)
# Seconds between two lines of a log: what nobody wonders at; what may be, where all others were
# short; and what may be before anything is known of the pace.
USUAL_STEP_S = 600.0
LONG_STEP_S = 1800.0
FIRST_STEP_S = 6 * 3600.0
FEW_STEPS = 5
STEPS_REMEMBERED = 50
# Of an output: more is the content of a layer that nobody reads, and measures nothing.
MOST_VALUES = 1000


@dataclass
class Table:
    """Named columns of values over growing iterations; a value that is missing is None.

    An output of several values has a column each: `NAME[0]`, `NAME[1]` and so on; one of more than
    MOST_VALUES has none.
    """

    iterations: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)  # seconds of training
    columns: dict[str, list[float | None]] = field(default_factory=dict)
    # How many values the outputs of several have.
    vectors: dict[str, int] = field(default_factory=dict)

    def add(self, iteration: int, time_s: float, name: str, value: float, place: int = 0) -> None:
        """Put a value into the row of `iteration`; rows after that one belong to lost work.

        `place` counts the values of an output, from 0.
        """
        if place or name in self.vectors:
            self._make_vector(name, place)
            if self.vectors[name] > MOST_VALUES:
                return
            name = column_name(name, place)
        self.drop_after(iteration)
        if not self.iterations or self.iterations[-1] < iteration:
            self.iterations.append(iteration)
            self.times_s.append(time_s)
            for column in self.columns.values():
                column.append(None)
        if name not in self.columns:
            self.columns[name] = [None] * len(self.iterations)
        self.columns[name][-1] = value

    def _make_vector(self, name: str, place: int) -> None:
        """Note that an output has a value at `place`; the first one gets a name like the others."""
        if name not in self.vectors:
            first = column_name(name, 0)
            self.columns = {first if n == name else n: v for n, v in self.columns.items()}
        self.vectors[name] = max(self.vectors.get(name, 0), place + 1)
        if place == MOST_VALUES:
            for number in range(MOST_VALUES):
                self.columns.pop(column_name(name, number), None)

    def drop_after(self, iteration: int) -> None:
        """Remove the rows after `iteration`."""
        while self.iterations and self.iterations[-1] > iteration:
            self.iterations.pop()
            self.times_s.pop()
            for column in self.columns.values():
                column.pop()

    def last(self, name: str) -> float | None:
        """The newest value of a column."""
        return next((value for value in reversed(self.columns[name]) if value is not None), None)


def column_name(output: str, place: int) -> str:
    """What the column of a value is called; `is_among` of `plan.py` reads it."""
    return f"{output}[{place}]"


@dataclass
class History:
    """Everything that the log of a training says about its course."""

    train: Table = field(default_factory=Table)
    val: Table = field(default_factory=Table)
    rate: Table = field(default_factory=Table)
    snapshots: dict[int, str] = field(default_factory=dict)  # iteration -> name of the weights
    iteration: int = 0  # how far it is
    loss: float | None = None  # the newest total loss
    problems: list[caffe_log.Problem] = field(default_factory=list)
    finished: caffe_log.Finished | None = None
    _clock: _Clock = field(default_factory=lambda: _Clock())

    def add(self, event: Event) -> None:
        """Take in an event of the log."""
        time_s = self._clock.training_time(event)
        match event:
            case caffe_log.TrainOutput(_, iteration, name, value, place):
                self._reach(iteration, time_s)
                self.train.add(iteration, time_s, name, value, place)
            case caffe_log.ValOutput(_, iteration, name, value, place):
                self.val.add(iteration, time_s, name, value, place)
            case caffe_log.Rate(iteration=iteration, value=value):
                self.rate.add(iteration, time_s, "lr", value)
            case caffe_log.TrainLoss(iteration=iteration, value=value):
                self.loss = value
                self._reach(iteration, time_s)
            case caffe_log.Testing(iteration=iteration):
                self._reach(iteration, time_s)
            case caffe_log.Snapshot(iteration=iteration, weights_name=name):
                self._reach(iteration, time_s)
                self.snapshots[iteration] = name
            case caffe_log.Problem():
                self.problems.append(event)
            case caffe_log.Finished():
                self.finished = event
            case caffe_log.Started():
                self.finished = None
                self.problems.clear()

    def iterations_per_s(self) -> float | None:
        """The present pace; None until two moments of this process are known."""
        return self._clock.pace()

    @property
    def trained_s(self) -> float:
        """Seconds in which a process has trained, all processes together."""
        return self._clock.now_s

    def clock_state(self) -> list[Any]:
        """What is known of time and pace, as plain JSON."""
        return [self._clock.now_s, self._clock.marks]

    def set_clock_state(self, state: Sequence[Any]) -> None:
        """Take what `clock_state` gave; TypeError or ValueError for anything else."""
        now_s, marks = state
        self._clock.now_s = float(now_s)
        self._clock.marks = [(float(time_s), int(iteration)) for time_s, iteration in marks]

    def diverged(self) -> bool:
        """Whether the newest loss is no finite number any more."""
        return self.loss is not None and not math.isfinite(self.loss)

    def rows(self) -> list[dict[str, Any]]:
        """One row an iteration with something to say, in order, for CSV."""
        merged: dict[int, dict[str, Any]] = {}
        for prefix, table in (("train", self.train), ("val", self.val), ("", self.rate)):
            for number, iteration in enumerate(table.iterations):
                row = merged.setdefault(
                    iteration, {"iteration": iteration, "time_s": table.times_s[number]}
                )
                for name, column in table.columns.items():
                    row[f"{prefix}:{name}" if prefix else name] = column[number]
        return [merged[iteration] for iteration in sorted(merged)]

    def _reach(self, iteration: int, time_s: float) -> None:
        self.iteration = iteration
        self._clock.reach(iteration, time_s)


@dataclass
class _Clock:
    """Turns times of a log into seconds of training, leaving out the time between processes.

    The log tells the local time without its year.  It goes back at New Year and when summer time
    ends, forward when it begins and over a 29th of February that there is not, and anywhere when
    somebody sets it.  So each step is looked at: one that cannot be is replaced by what it must be
    without such a jump, or else by a usual one.  Once the log says how long the process has trained
    (ours does), that alone counts.
    """

    now_s: float = 0.0  # seconds trained, all processes together
    _last: float | None = None  # the newest event of this process, in the log's time
    _began_s: float = 0.0  # `now_s` when this process began
    _is_told: bool = False  # whether its log says how long it has trained
    _steps: deque[float] = field(default_factory=lambda: deque(maxlen=STEPS_REMEMBERED))
    marks: list[tuple[float, int]] = field(default_factory=list)  # (seconds, iteration)

    def training_time(self, event: Event) -> float:
        if isinstance(event, caffe_log.Started) or self._last is None:
            self._steps.clear()
            self.marks.clear()
            self._began_s, self._is_told = self.now_s, False
        elif isinstance(event, caffe_log.Elapsed):
            self.now_s, self._is_told = self._began_s + max(0.0, event.seconds), True
        elif not self._is_told:
            self.now_s += self._passed(event.time_s - self._last)
        self._last = event.time_s
        return self.now_s

    def _passed(self, step: float) -> float:
        """The seconds that passed between two lines whose times are `step` apart."""
        longest = max(self._steps, default=0.0)
        is_new = len(self._steps) < FEW_STEPS
        most = FIRST_STEP_S if is_new else max(LONG_STEP_S, 10 * longest)
        if not 0 <= step <= most:
            usual = max(USUAL_STEP_S, 3 * longest)
            corrected = (step - jump for jump in JUMPS_S)
            mean = sum(self._steps) / len(self._steps) if self._steps else 0.0
            step = next((each for each in corrected if 0 <= each <= usual), mean)
        self._steps.append(step)
        return step

    def reach(self, iteration: int, time_s: float) -> None:
        self.marks.append((time_s, iteration))
        while len(self.marks) > 2 and time_s - self.marks[1][0] > PACE_WINDOW_S:
            self.marks.pop(0)

    def pace(self) -> float | None:
        if len(self.marks) < 2:
            return None
        (first_s, first), (last_s, last) = self.marks[0], self.marks[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s and last > first else None


def csv_header(history: History) -> list[str]:
    """The columns of the history as CSV; outputs are named `train:NAME` and `val:NAME`."""
    names = [f"train:{name}" for name in history.train.columns]
    names += [f"val:{name}" for name in history.val.columns]
    return ["iteration", "epoch", "time_s", "lr", *names]


def csv_pieces(
    header: Sequence[str], rows: Iterable[Mapping[str, Any]], iterations_per_epoch: int
) -> Iterator[str]:
    """Rows of a history as CSV, some hundred lines at a time, the header before them."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    for number, row in enumerate(rows):
        epoch = row["iteration"] / iterations_per_epoch
        writer.writerow({**row, "epoch": f"{epoch:.6g}", "time_s": f"{row['time_s']:.3f}"})
        if number % ROWS_A_PIECE == ROWS_A_PIECE - 1:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def history_json(history: History, iterations_per_epoch: int) -> dict[str, Any]:
    """The whole history as plain JSON, a list a column; nan and infinities are null."""
    tables = {"train": history.train, "val": history.val, "learning_rate": history.rate}
    return {
        name: {
            "iteration": table.iterations,
            "epoch": [round(n / iterations_per_epoch, 6) for n in table.iterations],
            "time_s": [round(time_s, 3) for time_s in table.times_s],
            "outputs": {name: finite(column) for name, column in table.columns.items()},
        }
        for name, table in tables.items()
    }


def finite(values: list[float | None]) -> list[float | None]:
    """The values fit for JSON, which has neither nan nor infinity."""
    return [v if v is not None and math.isfinite(v) else None for v in values]
