"""What a training's log says, in little, and as bytes: a line of JSON, then columns of numbers.

In: the lines of the log, in order.  Out: its history.

Elsewhere: where digests are kept, and when they count (`jobs/log_digest.py`).
"""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Iterable
from itertools import compress
from typing import Any, BinaryIO, ClassVar, Self

from digits.caffe.formats.training_log import Event, Finished, LogParser, Problem
from digits.jobs.log_follower import ATTEMPT_MARK
from digits.model.training.history import History, Table

MOST_HEADER_BYTES = 1 << 24
_TABLES = ("train", "val", "rate")
_NUMBER_BYTES = 8
_MARK = ATTEMPT_MARK.encode()


class TrainingDigest:
    """The history of a training, and what reads it out of the log's lines."""

    version: ClassVar[int] = 1

    def __init__(self, history: History | None = None) -> None:
        self.history = History() if history is None else history
        self._parser = LogParser()

    def take(self, line: bytes) -> Event | None:
        """Take one line of the log; the event that it was, when the history has it."""
        event = self._parser.parse(line)
        if event is not None:
            self.history.add(event)
        elif line.startswith(_MARK):
            self.history.problems.clear()  # the last attempt's, which are over
        return event

    def to_bytes(self) -> bytes:
        """The history, and what reading on from there takes."""
        file = io.BytesIO()
        _write(file, self.history, self._parser.state())
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote; raises one of `log_digest.NO_DIGEST` for anything else."""
        history, state = _read(io.BytesIO(data))
        digest = cls(history)
        digest._parser.set_state(state)
        return digest

    @classmethod
    def of_end(cls, lines: Iterable[bytes]) -> Self:
        """How far the training is, and the newest loss; the curves begin earlier."""
        end = cls()
        for line in lines:
            end.take(line)
        return cls(History(iteration=end.history.iteration, loss=end.history.loss))


def _write(file: BinaryIO, history: History, state: list[Any]) -> None:
    tables = {name: getattr(history, name) for name in _TABLES}
    header = {
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
        "problems": [list(each) for each in history.problems],
        "finished": history.finished and list(history.finished),
        "clock": history.clock_state(),
        "parser": state,
    }
    file.write(json.dumps(header).encode() + b"\n")
    for table in tables.values():
        file.write(array("q", table.iterations).tobytes())
        file.write(array("d", table.times_s).tobytes())
        for column in table.columns.values():
            there = bytes(value is not None for value in column)
            file.write(there + array("d", compress(column, there)).tobytes())


def _read(file: BinaryIO) -> tuple[History, list[Any]]:
    header = json.loads(file.readline(MOST_HEADER_BYTES))
    train, val, rate = (_read_table(file, header["tables"][name]) for name in _TABLES)
    if file.read(1):
        raise ValueError("something follows a digest")
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
    return history, header["parser"]


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
