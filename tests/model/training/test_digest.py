"""What is kept of a training's log: the same history, read in no time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from digits.jobs.log_digest import (
    SHORTEST_BYTES,
    digest_path,
    digest_up_to,
    make_digest,
    quick_digest,
)
from digits.jobs.recent_logs import RecentLogs
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.model.tasks.train import TrainTask
from digits.model.training.digest import TrainingDigest
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
    assert path.stat().st_size > SHORTEST_BYTES
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


def test_what_is_kept_of_a_log_tells_the_same_as_the_log(log_path: Path) -> None:
    whole = make_digest(log_path, TrainingDigest).history
    assert whole.train.columns["other"][:1] == [None]
    assert whole.train.vectors == {"each": 2}
    kept = quick_digest(log_path, TrainingDigest)
    assert kept
    assert facts(kept.history) == facts(whole)


def _changed(**values: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        header, _, rest = data.partition(b"\n")
        return json.dumps({**json.loads(header), **values}).encode() + b"\n" + rest

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data + b"x",
        lambda data: b"",
        lambda data: b"[" * 100_000,
        _changed(tables={}),
        _changed(tables=None),
        _changed(clock=None),
        _changed(clock=[1, 2]),
        _changed(snapshots=[1]),
        _changed(finished=[]),
        _changed(problems=[[1]]),
        _changed(parser=[1]),
    ],
)
def test_bytes_that_are_no_history_are_refused(damage: Callable[[bytes], bytes]) -> None:
    digest = TrainingDigest()
    digest.take(PREFIX.format(0, 0).encode() + b"Iteration 3, lr = 0.5")
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError, RecursionError)):
        TrainingDigest.from_bytes(damage(digest.to_bytes()))


def test_the_end_of_a_log_tells_how_far_it_is_and_nothing_that_is_wrong() -> None:
    head = PREFIX.format(0, 0).encode()
    lines = [
        b"    Train net output #0: loss = 3", head + b"Iteration 70, loss = 2",
        head + b"    Train net output #0: loss = 2", head + b"Iteration 70, lr = 0.1",
    ]  # fmt: skip
    history = TrainingDigest.of_end(lines).history
    assert (history.iteration, history.loss) == (70, 2.0)
    assert not history.train.iterations
    assert history.trained_s == 0.0


@pytest.mark.parametrize("share", [0.3, 0.8, 0.95])
def test_reading_goes_on_where_another_program_has_stopped(log_path: Path, share: float) -> None:
    """What used to happen: a restarted server read the log of a training that runs in its loop."""
    whole = make_digest(log_path, TrainingDigest).history
    data = log_path.read_bytes()
    most = data.rindex(b"\n", 0, int(share * len(data))) + 1
    read = TrainingDigest.from_bytes(digest_up_to(log_path, TrainingDigest, most).to_bytes())
    for line in data[most:].splitlines():
        read.take(line)
    assert facts(read.history) == facts(whole)


def test_a_digest_is_kept_when_the_training_ends(log_path: Path) -> None:
    """What used to happen: the first who looked had to wait until the log was read again."""
    task = TrainTask(log_path.parent, "train")
    task.history = StatusHistory([StatusChange(Status.RUNNING, 1.0)])
    follower = task.begin_run()
    task.take_lines(follower.new_lines())
    assert not digest_path(log_path).exists()
    task.keep_digest(follower.position)
    kept = quick_digest(log_path, TrainingDigest)
    assert kept
    assert facts(kept.history) == facts(task.curves)


def test_the_log_of_an_ended_training_is_read_beside_the_event_loop(log_path: Path) -> None:
    """What used to happen: 100 MB kept everybody waiting, 475 ms at a time, for 20 s."""
    task = TrainTask(log_path.parent, "train")
    task.history = StatusHistory([StatusChange(Status.DONE, 1.0)])
    ran: list[Callable[..., Any]] = []

    def aside(work: Callable[..., Any], *arguments: Any) -> Any:
        ran.append(work)
        return work(*arguments)

    RecentLogs(aside=aside).read(task)
    assert ran == [quick_digest, make_digest]
    assert task.curves.iteration == 12_000


def test_a_training_that_has_ended_has_no_pace(log_path: Path) -> None:
    """What used to happen: a model and its clone were told apart by how busy the machine was."""
    task = TrainTask(log_path.parent, "train")
    task.history = StatusHistory([StatusChange(Status.DONE, 1.0)])
    task.read_log()
    told = task.pace()
    assert told["iteration"] == 12_000
    assert (told["iterations_per_s"], told["images_per_s"]) == (None, None)
