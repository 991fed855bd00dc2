"""What is kept of a long log: never of another log, and made anew where anything is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from digits.dataset.tasks.parse_textfile import ParseTextfileTask
from digits.dataset.tasks.program_digest import ProgramDigest
from digits.jobs import log_digest, signals, task
from digits.jobs.log_digest import (
    digest_of_end,
    digest_path,
    keep_digest,
    kind_name,
    make_digest,
    quick_digest,
)
from digits.jobs.long_logs import LongLogs, LongRead
from digits.jobs.recent_logs import RecentLogs
from digits.jobs.status import Status, StatusChange, StatusHistory

STAMP = "2015-04-21 14:06:40 "
SKIPPED = 40_000


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    """The log of a dataset of which 40,000 pictures were left out."""
    path = tmp_path / "parse.log"
    lines = [f'{STAMP}[WARNING] Skipped "/data/{n}.jpg": the file is empty' for n in range(SKIPPED)]
    lines += [f"{STAMP}[INFO] Progress: 50000/60000 pictures, 560 pictures/s, 17 s left"]
    lines += [f'{STAMP}[INFO] Distribution of train: {{"cat": 120}}']
    path.write_text("\n".join(lines) + "\n")
    assert path.stat().st_size > log_digest.SHORTEST_BYTES
    return path


def ended(log_path: Path) -> ParseTextfileTask:
    made = ParseTextfileTask(log_path.parent, "parse", folders={"train": ""})
    made.history = StatusHistory([StatusChange(Status.ABORTED, 1.0)])
    assert made.log_path == log_path
    return made


def test_what_is_kept_tells_the_same_as_the_log(log_path: Path) -> None:
    assert quick_digest(log_path, ProgramDigest) is None
    whole = make_digest(log_path, ProgramDigest)
    assert (whole.skipped_count, len(whole.skipped)) == (SKIPPED, 100)
    assert (whole.done_count, whole.eta_s, whole.distributions) == (
        50_000,
        17,
        {"train": {"cat": 120}},
    )
    assert quick_digest(log_path, ProgramDigest) == whole


def test_a_log_that_goes_on_is_read_again(log_path: Path) -> None:
    make_digest(log_path, ProgramDigest)
    with log_path.open("a") as file:
        file.write(f"{STAMP}[INFO] Done: 3 pictures\n")
    assert quick_digest(log_path, ProgramDigest) is None
    assert make_digest(log_path, ProgramDigest).summary == "3 pictures"
    kept = quick_digest(log_path, ProgramDigest)
    assert kept
    assert kept.summary == "3 pictures"


def test_another_log_of_the_same_size_is_read_again(log_path: Path) -> None:
    make_digest(log_path, ProgramDigest)
    os.utime(log_path, (1.0, 2.0))
    assert quick_digest(log_path, ProgramDigest) is None


def _changed(**values: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        header, _, rest = data.partition(b"\n")
        return json.dumps({**json.loads(header), **values}).encode() + b"\n" + rest

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data + b"x",
        lambda data: b"",
        lambda data: b"[" * 100_000,
        lambda data: data.replace(b"cat", b"cow"),
        _changed(format=1),
        _changed(version=0),
        _changed(size=-1),
        _changed(size=1 << 60),
        _changed(size=None),
        _changed(kind="digits.model.training.digest:TrainingDigest"),
        _changed(check="x"),
    ],
)
def test_a_digest_that_is_none_is_passed_over(
    log_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    make_digest(log_path, ProgramDigest)
    kept = digest_path(log_path)
    kept.write_bytes(damage(kept.read_bytes()))
    assert quick_digest(log_path, ProgramDigest) is None


def test_nothing_is_kept_of_what_was_not_read_to_its_end(log_path: Path) -> None:
    keep_digest(log_path, ProgramDigest(), log_path.stat().st_size - 1)
    assert not digest_path(log_path).exists()


def test_a_short_log_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "parse.log"
    path.write_text(f"{STAMP}[INFO] Done: 3 pictures")
    digest = quick_digest(path, ProgramDigest)
    assert digest
    assert digest.summary == "3 pictures"
    assert os.listdir(tmp_path) == [path.name]
    assert quick_digest(tmp_path / "none.log", ProgramDigest) == ProgramDigest()


class Growing(ProgramDigest):
    """Its log grows by a line with every line that it takes, as long as the file is small."""

    path: Path

    def take(self, line: bytes) -> Any:
        if self.done_count < SKIPPED:
            with self.path.open("a") as file:
                file.write(f"{STAMP}[INFO] Progress: {self.done_count + 1}/9 pictures\n")
        return super().take(line)


def test_a_log_that_grows_while_it_is_read_is_left_to_the_next_look(tmp_path: Path) -> None:
    Growing.path = tmp_path / "parse.log"
    Growing.path.write_text(f"{STAMP}[INFO] Progress: 1/9 pictures\n")
    assert 0 < make_digest(Growing.path, Growing).done_count < 20
    assert not digest_path(Growing.path).exists()


@pytest.mark.parametrize("piece", [b"x" * 100, b"\0" * 100, b"\xff\xfe" * 50, b"[WARNING] \r"])
def test_a_log_without_lines_is_read_in_bounded_pieces(tmp_path: Path, piece: bytes) -> None:
    class Longest(ProgramDigest):
        most = 0

        def take(self, line: bytes) -> Any:
            Longest.most = max(Longest.most, len(line))
            return super().take(line)

    path = tmp_path / "parse.log"
    path.write_bytes(piece * 60_000)
    make_digest(path, Longest)
    assert 0 < Longest.most < 2 << 20
    assert digest_of_end(path, Longest).done_count == 0


# While the log is read ----------------------------------------------------------------------------


class HeldLogs(LongLogs):
    """Reads a log when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.readings: list[LongRead] = []

    def read(self, *arguments: Any, **options: Any) -> LongRead:
        self.readings.append(super().read(*arguments, **options))
        return self.readings[-1]

    def _digest(self, *arguments: Any) -> Any:
        self.go_on.wait()
        return super()._digest(*arguments)


def test_what_the_end_of_a_long_log_says_is_shown_while_it_is_read(
    log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What used to happen: nobody saw the page until the log had been read, for minutes."""
    monkeypatch.setattr(task, "LOG_WAIT_S", 0.0)
    long_logs, told = HeldLogs(), threading.Event()
    looked_at = ended(log_path)

    def updated(task: Any, update: str, data: Any) -> None:
        if (task, update) == (looked_at, "log"):
            told.set()

    with signals.task_updated.connected_to(updated):
        logs = RecentLogs(long_logs=long_logs)
        for _ in range(3):
            logs.read(looked_at)
        assert looked_at.log_is_being_read
        assert (looked_at.done_count, looked_at.skipped_count) == (50_000, 0)
        assert len(long_logs.readings) == 1
        long_logs.go_on.set()
        assert told.wait(60)
    assert not looked_at.log_is_being_read
    assert looked_at.skipped_count == SKIPPED
    logs.read(looked_at)
    assert len(long_logs.readings) == 1
    assert quick_digest(log_path, ProgramDigest)


def test_the_long_log_of_a_run_that_goes_on_is_read_beside_its_runner(log_path: Path) -> None:
    runs = ended(log_path)
    runs.history = StatusHistory([StatusChange(Status.RUNNING, 1.0)])
    with log_path.open("a") as file:
        file.write(f"{STAMP}[INFO] Progress: 500")
    follower = runs.begin_run()
    long_logs = HeldLogs()
    reading = runs.read_ahead(long_logs, follower)
    assert reading
    RecentLogs(long_logs=long_logs).read(runs)
    assert runs.log_is_being_read
    assert (runs.done_count, runs.skipped_count) == (50_000, 0)
    long_logs.go_on.set()
    assert reading.wait(60)
    assert runs.go_on_after(reading) is None
    with log_path.open("a") as file:
        file.write("01/60000 pictures\n")
    runs.take_lines(follower.new_lines())
    assert not runs.log_is_being_read
    assert (runs.done_count, runs.skipped_count) == (50_001, SKIPPED)


def test_a_run_whose_log_cannot_be_read_ahead_is_followed_from_its_start(log_path: Path) -> None:
    runs = ended(log_path)
    long_logs = HeldLogs()
    reading = runs.read_ahead(long_logs, runs.begin_run())
    other = runs.go_on_after(LongRead())
    assert other
    assert other.position == 0
    assert runs.done_count == 0
    long_logs.go_on.set()
    assert reading
    assert reading.wait(60)


def test_who_needs_all_of_a_log_waits_for_it(
    log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "LOG_WAIT_S", 0.0)
    long_logs, looked_at = LongLogs(), ended(log_path)
    RecentLogs(long_logs=long_logs).read(looked_at, whole=True)
    assert not looked_at.log_is_being_read
    assert looked_at.skipped_count == SKIPPED


def test_a_log_that_cannot_be_read_keeps_nobody_waiting(
    log_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(ParseTextfileTask):
        class digest_kind(ProgramDigest):
            """The program finds no such class in the module."""

    looked_at = Failing(log_path.parent, "parse", folders={"train": ""})
    looked_at.history = StatusHistory([StatusChange(Status.ERROR, 1.0)])
    RecentLogs(long_logs=LongLogs()).read(looked_at, whole=True)
    assert not looked_at.log_is_being_read
    assert "cannot be read" in caplog.text


def test_the_program_keeps_the_digest_and_hands_it_out(log_path: Path) -> None:
    command = [sys.executable, "-m", "digits.jobs.read_long_log", kind_name(ProgramDigest)]
    done = subprocess.run([*command, str(log_path)], check=True, capture_output=True)
    assert ProgramDigest.from_bytes(done.stdout) == quick_digest(log_path, ProgramDigest)
    assert done.stderr == b""
