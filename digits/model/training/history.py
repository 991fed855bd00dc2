"""What a training has shown so far: outputs, learning rates and snapshots by iteration.

In: the events of a log.  Out: tables of points, without doubles when a resumed training repeats
iterations; figures such as iterations a second; the same as CSV and as plain JSON.

The tables are bounded, however long the log is: of very many points the extremes are kept.

Elsewhere: reading the log (`caffe/formats/training_log.py`), points for drawing (`charts.py`).
"""

from __future__ import annotations

import csv
import io
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from digits.caffe.formats import training_log
from digits.caffe.formats.training_log import Event
from digits.model.training.thinning import rows_to_keep

# Iterations a second are taken over about this much time, so that they follow the present pace.
PACE_WINDOW_S = 60.0
ROWS_A_PIECE = 500
# How a local clock without a year jumps: summer time, a leap day that was none, New Year.
HOUR_S, DAY_S = 3600.0, 86_400.0
JUMPS_S = (-HOUR_S, HOUR_S, DAY_S, -training_log.YEAR_S, HOUR_S - training_log.YEAR_S)
# Seconds between two lines of a log: what nobody wonders at; what may be, where all others were
# short; and what may be before anything is known of the pace.
USUAL_STEP_S = 600.0
LONG_STEP_S = 1800.0
FIRST_STEP_S = 6 * 3600.0
FEW_STEPS = 5
STEPS_REMEMBERED = 50
# Moments nearer to each other than this say nothing more about the pace.
MARK_EVERY_S = 0.25
# Of an output: more is the content of a layer that nobody reads, and measures nothing.
MOST_VALUES = 1000
MOST_COLUMNS = 2000
# Values of a table, iterations and times among them: more rows are thinned to half as many.
MOST_CELLS = 400_000
MOST_PROBLEMS = 100
MOST_SNAPSHOTS = 100_000


@dataclass
class Table:
    """Named columns of values over growing iterations; a value that is missing is None.

    An output of several values has a column each: `NAME[0]`, `NAME[1]` and so on; one of more than
    MOST_VALUES has none.  Of more rows than make MOST_CELLS values those are kept, over equal
    stretches of iterations, that have the smallest and the largest values.
    """

    iterations: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)  # seconds of training
    columns: dict[str, list[float | None]] = field(default_factory=dict)
    # How many values the outputs of several have.
    vectors: dict[str, int] = field(default_factory=dict)
    _most_rows: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._most_rows = MOST_CELLS // (len(self.columns) + 2)

    def add(self, iteration: int, time_s: float, name: str, value: float, place: int = 0) -> None:
        """Put a value into the row of `iteration`; rows after that one belong to lost work.

        `place` counts the values of an output, from 0.
        """
        if place or name in self.vectors:
            self._make_vector(name, place)
            if self.vectors[name] > MOST_VALUES:
                return
            name = column_name(name, place)
        iterations, columns = self.iterations, self.columns
        if iterations and iterations[-1] > iteration:
            self.drop_after(iteration)
        if not iterations or iterations[-1] < iteration:
            if len(iterations) >= self._most_rows:
                self._thin()
            iterations.append(iteration)
            self.times_s.append(time_s)
            for column in columns.values():
                column.append(None)
        if name in columns:
            columns[name][-1] = value
        elif len(columns) < MOST_COLUMNS:
            columns[name] = [None] * len(iterations)
            columns[name][-1] = value
            self._most_rows = MOST_CELLS // (len(columns) + 2)

    def _thin(self) -> None:
        """Leave half of the rows at most."""
        limit = self._most_rows // 2
        rows = rows_to_keep(self.iterations, list(self.columns.values()), limit)
        self.iterations[:] = [self.iterations[row] for row in rows]
        self.times_s[:] = [self.times_s[row] for row in rows]
        for column in self.columns.values():
            column[:] = [column[row] for row in rows]

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
        rows = bisect_right(self.iterations, iteration)
        del self.iterations[rows:]
        del self.times_s[rows:]
        for column in self.columns.values():
            del column[rows:]

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
    problems: list[training_log.Problem] = field(default_factory=list)
    finished: training_log.Finished | None = None
    _clock: _Clock = field(default_factory=lambda: _Clock())

    def add(self, event: Event) -> None:
        """Take in an event of the log."""
        take = _TAKEN_BY.get(type(event))
        if take is not None:
            take(self, event, self._clock.training_time(event))

    # A long log has millions of the next three, so they go the shortest way.

    def _take_train(self, event: training_log.TrainOutput, time_s: float) -> None:
        _, iteration, name, value, place = event
        if iteration != self.iteration:
            self._reach(iteration, time_s)
        self.train.add(iteration, time_s, name, value, place)

    def _take_rate(self, event: training_log.Rate, time_s: float) -> None:
        _, iteration, value = event
        self.rate.add(iteration, time_s, "lr", value)

    def _take_loss(self, event: training_log.TrainLoss, time_s: float) -> None:
        _, self.iteration, self.loss = event
        self._clock.reach(self.iteration, time_s)

    def _take_val(self, event: training_log.ValOutput, time_s: float) -> None:
        self.val.add(event.iteration, time_s, event.name, event.value, event.place)

    def _take_testing(self, event: training_log.Testing, time_s: float) -> None:
        self._reach(event.iteration, time_s)

    def _take_snapshot(self, event: training_log.Snapshot, time_s: float) -> None:
        self._reach(event.iteration, time_s)
        self.snapshots[event.iteration] = event.weights_name
        if len(self.snapshots) > MOST_SNAPSHOTS:
            del self.snapshots[next(iter(self.snapshots))]

    def _take_problem(self, event: training_log.Problem, time_s: float) -> None:
        """The last ones are kept; a warning takes the place of no error."""
        self.problems.append(event)
        if len(self.problems) > MOST_PROBLEMS:
            mildest = (n for n, each in enumerate(self.problems) if each.severity == "W")
            del self.problems[next(mildest, 0)]

    def _take_finished(self, event: training_log.Finished, time_s: float) -> None:
        self.finished = event

    def _take_started(self, event: training_log.Started, time_s: float) -> None:
        self.finished = None
        self.problems.clear()

    def _take_elapsed(self, event: training_log.Elapsed, time_s: float) -> None:
        """The clock has taken it."""

    def iterations_per_s(self) -> float | None:
        """The present pace; None until two moments of this process are known."""
        return self._clock.pace()

    @property
    def trained_s(self) -> float:
        """Seconds in which a process has trained, all processes together."""
        return self._clock.now_s

    def clock_state(self) -> list[Any]:
        """What is known of time and pace, as plain JSON."""
        return self._clock.state()

    def set_clock_state(self, state: Sequence[Any]) -> None:
        """Take what `clock_state` gave; TypeError or ValueError for anything else."""
        self._clock.set_state(state)

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
    # (seconds, iteration) of moments before, some way apart, and of the present one.
    marks: deque[tuple[float, int]] = field(default_factory=deque)
    here: tuple[float, int] = (0.0, 0)

    def state(self) -> list[Any]:
        steps, marks = list(self._steps), list(self.marks)
        return [self.now_s, self._last, self._began_s, self._is_told, steps, marks, self.here]

    def set_state(self, state: Sequence[Any]) -> None:
        now_s, last, began_s, is_told, steps, marks, here = state
        self.now_s, self._began_s, self._is_told = float(now_s), float(began_s), bool(is_told)
        self._last = None if last is None else float(last)
        self._steps = deque(map(float, steps), maxlen=STEPS_REMEMBERED)
        self.marks = deque((float(time_s), int(iteration)) for time_s, iteration in marks)
        self.here = (float(here[0]), int(here[1]))

    def training_time(self, event: Event) -> float:
        last, self._last = self._last, event[0]
        kind = type(event)
        if last is None or kind is training_log.Started:
            self._steps.clear()
            self.marks.clear()
            self._began_s, self._is_told = self.now_s, False
        elif kind is training_log.Elapsed:
            seconds = cast(training_log.Elapsed, event).seconds
            self.now_s, self._is_told = self._began_s + max(0.0, seconds), True
        elif not self._is_told:
            step = event[0] - last
            if 0.0 <= step <= LONG_STEP_S:  # as nearly all are
                self._steps.append(step)
                self.now_s += step
            else:
                self.now_s += self._passed(step)
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
        marks = self.marks
        self.here = (time_s, iteration)
        if marks and abs(time_s - marks[-1][0]) < MARK_EVERY_S:
            return
        marks.append(self.here)
        while len(marks) > 1 and time_s - marks[1][0] > PACE_WINDOW_S:
            marks.popleft()

    def pace(self) -> float | None:
        if not self.marks:
            return None
        (first_s, first), (last_s, last) = self.marks[0], self.here
        return (last - first) / (last_s - first_s) if last_s > first_s and last > first else None


# What takes an event; others say nothing of the training's course.
_TAKEN_BY: dict[type[Event], Callable[[History, Any, float], None]] = {
    training_log.TrainOutput: History._take_train,
    training_log.ValOutput: History._take_val,
    training_log.Rate: History._take_rate,
    training_log.TrainLoss: History._take_loss,
    training_log.Testing: History._take_testing,
    training_log.Snapshot: History._take_snapshot,
    training_log.Problem: History._take_problem,
    training_log.Finished: History._take_finished,
    training_log.Started: History._take_started,
    training_log.Elapsed: History._take_elapsed,
}


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
