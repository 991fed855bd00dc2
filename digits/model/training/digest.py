"""What a long log of a training says, kept beside it, so that it is read as a whole only once.

In: a log that nobody writes any more.  Out: its history.  That of a long log is kept in a hidden
file of the job's folder: a line of JSON, then the columns as plain numbers.  It counts for a log of
the same size and time of change alone; whatever is wrong with it, the log is read again.

Nothing here waits for others or locks, so that it can run in a thread of its own.
"""

from __future__ import annotations

import contextlib
import json
import logging
from array import array
from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from typing import Any, BinaryIO

from digits.base.atomic import atomic_write
from digits.jobs.log_follower import ATTEMPT_MARK, LogFollower
from digits.model.training.caffe_log import Event, Finished, LogParser, Problem
from digits.model.training.history import History, Table

log = logging.getLogger(__name__)

FORMAT = 1
# A shorter log is read faster than anybody notices.
SHORTEST_BYTES = 1 << 21
MOST_HEADER_BYTES = 1 << 24
# What reading something else may raise.
_NO_DIGEST = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_TABLES = ("train", "val", "rate")
_NUMBER_BYTES = 8


def digest_path(log_path: Path) -> Path:
    """Where the digest of a log is kept."""
    return log_path.with_name(f".{log_path.name}.digest")


def read_history(log_path: Path) -> History:
    """The history that an ended training's log tells; by its digest, where there is one."""
    try:
        state = log_path.stat()
    except FileNotFoundError:
        return History()
    identity = [state.st_size, state.st_mtime_ns]
    if state.st_size < SHORTEST_BYTES:
        return _read_log(log_path)
    kept = digest_path(log_path)
    with contextlib.suppress(*_NO_DIGEST):
        return _read(kept, identity)
    history = _read_log(log_path)
    # A disk that is full, or may not be written to: the log is read again the next time.
    with contextlib.suppress(OSError):
        _write(kept, identity, history)
    return history


def _read_log(log_path: Path) -> History:
    history, parser = History(), LogParser()
    follower = LogFollower(log_path, pause=lambda: None)
    for line in follower.all_lines():
        try:
            for _ in take_line(history, parser, line):
                pass
        except Exception:
            log.exception("%s: a line of it: %.200r", log_path, line)
    return history


def take_line(history: History, parser: LogParser, line: str) -> Iterator[Event]:
    """Put what a line of the log says into the history; gives each event once it is there."""
    if line.startswith(ATTEMPT_MARK):
        history.problems.clear()  # the last attempt's, which are over
    for event in parser.parse(line):
        history.add(event)
        yield event


# The file -----------------------------------------------------------------------------------------


def _write(path: Path, identity: list[int], history: History) -> None:
    tables = {name: getattr(history, name) for name in _TABLES}
    header = {
        "format": FORMAT,
        "log": identity,
        "tables": {
            name: {
                "rows": len(table.iterations),
                "columns": list(table.columns),
                "vectors": table.vectors,
            }
            for name, table in tables.items()
        },
        "snapshots": list(history.snapshots.items()),
        "iteration": history.iteration,
        "loss": history.loss,
        "problems": [[each.time_s, each.severity, each.message] for each in history.problems],
        "finished": history.finished and [history.finished.time_s, history.finished.early],
        "clock": history.clock_state(),
    }
    with atomic_write(path) as file:
        file.write(json.dumps(header).encode() + b"\n")
        for table in tables.values():
            file.write(array("q", table.iterations).tobytes())
            file.write(array("d", table.times_s).tobytes())
            for column in table.columns.values():
                there = bytes(value is not None for value in column)
                file.write(there + array("d", compress(column, there)).tobytes())


def _read(path: Path, identity: list[int]) -> History:
    """Raises one of `_NO_DIGEST` for what is no digest of that log."""
    with path.open("rb") as file:
        header = json.loads(file.readline(MOST_HEADER_BYTES))
        if header["format"] != FORMAT or header["log"] != identity:
            raise ValueError(path)
        train, val, rate = (_read_table(file, header["tables"][name]) for name in _TABLES)
        if file.read(1):
            raise ValueError(path)
    finished = header["finished"]
    history = History(
        train=train,
        val=val,
        rate=rate,
        snapshots={int(iteration): str(name) for iteration, name in header["snapshots"]},
        iteration=int(header["iteration"]),
        loss=None if header["loss"] is None else float(header["loss"]),
        problems=[Problem(float(t), str(kind), str(text)) for t, kind, text in header["problems"]],
        finished=Finished(float(finished[0]), early=bool(finished[1]))
        if finished is not None
        else None,
    )
    history.set_clock_state(header["clock"])
    return history


def _read_table(file: BinaryIO, told: dict[str, Any]) -> Table:
    rows = int(told["rows"])
    iterations = _numbers(file, "q", rows)
    times = _numbers(file, "d", rows)
    columns = {str(name): _read_column(file, rows) for name in told["columns"]}
    vectors = {str(name): int(count) for name, count in told["vectors"].items()}
    return Table(iterations.tolist(), times.tolist(), columns, vectors)


def _read_column(file: BinaryIO, rows: int) -> list[float | None]:
    there = _exactly(file, rows)
    values = _numbers(file, "d", sum(there))
    if len(values) == rows:
        return values.tolist()
    following = iter(values)
    return [next(following) if is_there else None for is_there in there]


def _numbers(file: BinaryIO, code: str, count: int) -> array[Any]:
    numbers = array(code)
    numbers.frombytes(_exactly(file, count * _NUMBER_BYTES))
    return numbers


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count) if count >= 0 else b""
    if len(data) != count:
        raise ValueError("it ends too early")
    return data
