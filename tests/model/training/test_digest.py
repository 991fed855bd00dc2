"""What is kept of a long log: the same history, read in no time, and never of another log."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from digits.jobs.recent_logs import RecentLogs
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.model.tasks.train import TrainTask
from digits.model.training import digest
from digits.model.training.digest import digest_path, read_history
from digits.model.training.history import History, history_json

PREFIX = "I0601 12:{:02d}:{:02d}.000000  1 solver.cpp:1] "


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    """A log of 3 MB: outputs, two of which begin late, one with two values; a nan, a snapshot."""
    path = tmp_path / "caffe_output.log"
    lines = [PREFIX.format(0, 0) + "Starting Optimization"]
    for number in range(12_000):
        head = PREFIX.format(number // 60 % 60, number % 60)
        loss = "nan" if number == 11_000 else f"{1 + 1 / (number + 1):.6f}"
        lines += [
            f"{head}Iteration {number} (9 iter/s, 0.1s/1 iters), loss = {loss}",
            f"{head}    Train net output #0: loss = {loss} (* 1 = {loss} loss)",
            f"{head}Iteration {number}, lr = 0.01",
        ]
        if number > 9_000:
            lines.append(f"{head}    Train net output #1: other = 0.5")
            lines += [f"{head}    Train net output #{n}: each = 0.{n}" for n in (2, 3)]
    lines += [
        f"{head}Snapshotting solver state to binary proto file snapshot_iter_12000.solverstate",
        f"W{head[1:]}a warning",
        f"{head}Optimization Done.",
    ]
    path.write_text("\n".join(lines) + "\n")
    assert path.stat().st_size > digest.SHORTEST_BYTES
    return path


def facts(history: History) -> Any:
    """All that pages ask a history for; nan compares equal to nan as text."""
    return repr(
        [
            history_json(history, 10),
            history.train,
            history.snapshots,
            history.iteration,
            history.loss,
            history.problems,
            history.finished,
            history.trained_s,
            history.iterations_per_s(),
        ]
    )


def test_the_digest_of_a_log_tells_the_same_as_the_log(
    log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_history(log_path)
    assert whole.train.columns["other"][:1] == [None]
    assert whole.train.vectors == {"each": 2}
    assert digest_path(log_path).is_file()
    monkeypatch.setattr(digest, "_read_log", None)  # it is not read again
    assert facts(read_history(log_path)) == facts(whole)


def test_a_log_that_goes_on_is_read_again(log_path: Path) -> None:
    read_history(log_path)
    with log_path.open("a") as file:
        file.write(PREFIX.format(59, 59) + "Iteration 20000, loss = 0.5\n")
    assert read_history(log_path).iteration == 20_000
    assert read_history(log_path).iteration == 20_000


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _longer(data: bytes) -> bytes:
    return data + b"x"


def _empty(data: bytes) -> bytes:
    return b""


def _deep(data: bytes) -> bytes:
    return b"[" * 100_000


def _changed(**values: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        header, _, rest = data.partition(b"\n")
        return json.dumps({**json.loads(header), **values}).encode() + b"\n" + rest

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        _cut, _longer, _empty, _deep, _changed(format=0), _changed(tables={}),
        _changed(tables=None), _changed(clock=None), _changed(clock=[1, 2, 3]),
        _changed(snapshots=[1]), _changed(finished=[]), _changed(problems=[[1]]),
    ],
)  # fmt: skip
def test_a_digest_that_is_none_is_passed_over(
    log_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    whole, kept = read_history(log_path), digest_path(log_path)
    kept.write_bytes(damage(kept.read_bytes()))
    assert facts(read_history(log_path)) == facts(whole)


def test_a_short_log_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "caffe_output.log"
    path.write_text(PREFIX.format(0, 0) + "Iteration 3, loss = 0.5\n")
    assert read_history(path).iteration == 3
    assert os.listdir(tmp_path) == [path.name]
    assert read_history(tmp_path / "none.log").iteration == 0


def test_the_log_of_an_ended_training_is_read_beside_the_event_loop(log_path: Path) -> None:
    """What used to happen: 100 MB kept everybody waiting, 475 ms at a time, for 20 s."""
    task = TrainTask(log_path.parent, "train")
    task.history = StatusHistory([StatusChange(Status.DONE, 1.0)])
    ran: list[Callable[..., Any]] = []

    def aside(work: Callable[..., Any], *arguments: Any) -> Any:
        ran.append(work)
        return work(*arguments)

    RecentLogs(aside=aside).read(task)
    assert ran == [read_history]
    assert task.curves.iteration == 12_000
