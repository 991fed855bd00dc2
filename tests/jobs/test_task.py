"""A task's state is derived from its log, by whoever reads it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digits.jobs import signals
from digits.jobs.process import describe_exit
from digits.jobs.recent_logs import RecentLogs
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.jobs.store import JobStore
from digits.jobs.task import LINES_IN_ERROR
from tests.program_jobs import ProgramJob, ProgramTask, program


@pytest.fixture
def task(tmp_path: Path) -> ProgramTask:
    task = ProgramTask(tmp_path, "main")
    task.history = StatusHistory([StatusChange(Status.DONE, 1.0)])
    return task


@pytest.fixture
def told() -> Iterator[list[Any]]:
    """What listeners were told: progress as a number, updates by their name."""
    heard: list[Any] = []

    def progress(task: ProgramTask) -> None:
        heard.append(task.progress)

    def updated(task: ProgramTask, update: str, data: Any) -> None:
        heard.append((update, data))

    with (
        signals.task_progress.connected_to(progress),
        signals.task_updated.connected_to(updated),
    ):
        yield heard


def test_the_log_of_an_ended_task_is_read_when_somebody_looks(task: ProgramTask) -> None:
    task.log_path.write_text("one\nprogress 0.5\ntwo")
    assert task.lines == []
    task.read_log()
    task.read_log()
    assert task.lines == ["one", "progress 0.5", "two"]
    assert task.progress == 1.0  # it is Done, whatever the log said last


@pytest.mark.parametrize(
    ("status", "pausing", "word"),
    [
        (Status.ABORTED, True, "Paused"),
        (Status.ABORTED, False, "Aborted"),
        (Status.WAITING, False, "Waiting"),
        (Status.DONE, True, "Done"),
    ],
)
def test_what_was_paused_is_shown_so_and_stays_aborted(
    task: ProgramTask, status: Status, pausing: bool, word: str
) -> None:
    task.history = StatusHistory([StatusChange(status, 1.0)])
    task.pausing = pausing
    assert task.status_word == word
    assert task.status is status
    assert (task.css == status.css) == (word != "Paused")


def test_a_task_without_a_log_has_done_nothing(tmp_path: Path) -> None:
    task = ProgramTask(tmp_path, "main")
    task.read_log()
    assert (task.lines, task.progress) == ([], 0.0)


def test_nobody_sees_a_half_read_log(task: ProgramTask) -> None:
    task.log_path.write_text("line\n" * 50_000)
    counts: list[int] = []

    def look() -> None:
        task.read_log()
        counts.append(len(task.lines))

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert counts == [50_000] * 4


def test_a_line_that_cannot_be_understood_is_logged_and_passed_over(
    task: ProgramTask, caplog: pytest.LogCaptureFixture
) -> None:
    task.log_path.write_text("progress 0.5\nprogress much\nprogress 0.7\nend\n")
    task.history = StatusHistory([StatusChange(Status.ERROR, 1.0)])
    task.read_log()
    assert task.progress == 0.7
    assert "progress much" in caplog.text


def test_progress_and_updates_are_told_when_they_have_changed(
    task: ProgramTask, told: list[Any]
) -> None:
    task.begin_run()
    task.take_lines(["a", "progress 0.25", "b"])
    task.publish()
    task.publish()
    lines = ["a", "progress 0.25", "b"]
    assert told == [0.25, ("lines", lines)]


def test_a_listener_that_fails_harms_neither_the_task_nor_other_listeners(
    task: ProgramTask, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(task: ProgramTask) -> None:
        raise RuntimeError("no browser there")

    def fail_too(task: ProgramTask) -> None:
        raise RuntimeError("nor here")

    signals.task_progress.connect(fail)
    signals.task_progress.connect(fail_too)
    task.progress = 0.5
    task.publish()
    assert told == [0.5]
    assert "no browser there" in caplog.text
    assert "nor here" in caplog.text


@pytest.mark.parametrize("resumable", [True, False])
def test_a_new_attempt_continues_the_log_only_of_what_goes_on(
    tmp_path: Path, resumable: bool
) -> None:
    class Attempted(ProgramTask):
        pass

    Attempted.resumable = resumable
    task = Attempted(tmp_path, "main")
    task.begin_log()
    task.log_path.write_text("first attempt\n")
    task.begin_log()
    assert task.log_path.exists() == resumable
    if not resumable:
        assert (tmp_path / "main.log.old").read_text() == "first attempt\n"


def test_a_failure_is_explained_by_the_program_s_own_words(task: ProgramTask) -> None:
    task.log_path.write_text("a\nError: the folder is empty\nbye\n")
    assert task.explain_failure(1) == "the folder is empty"


def test_a_failure_without_words_shows_the_end_of_the_log(task: ProgramTask) -> None:
    task.log_path.write_text("".join(f"line {number}\n" for number in range(100)))
    reason, *lines = task.explain_failure(137).splitlines()
    assert describe_exit(137) in reason
    assert lines == [f"line {number}" for number in range(100 - LINES_IN_ERROR, 100)]


def test_logs_that_nobody_looks_at_for_long_are_forgotten_and_read_again(tmp_path: Path) -> None:
    tasks, logs = [], RecentLogs(most=20)
    for number in range(30):
        task = ProgramTask(tmp_path, f"task{number}")
        task.history = StatusHistory([StatusChange(Status.DONE, 1.0)])
        task.log_path.write_text(f"line of {number}\n")
        tasks.append(task)
    for task in tasks:
        logs.read(task)
    assert [bool(task.lines) for task in tasks] == [False] * 10 + [True] * 20
    logs.read(tasks[10])  # it is the latest now
    logs.read(tasks[0])
    assert tasks[0].lines == ["line of 0"]
    assert (bool(tasks[10].lines), bool(tasks[11].lines)) == (True, False)


def test_a_task_that_is_gone_is_not_kept_for_its_log(tmp_path: Path) -> None:
    logs = RecentLogs(most=1)
    gone = weakref.ref(task := ProgramTask(tmp_path, "gone"))
    logs.read(task)
    del task
    assert gone() is None
    logs.read(ProgramTask(tmp_path, "next"))


def test_the_jobs_of_a_store_share_what_is_remembered(jobs_dir: Path) -> None:
    store = JobStore(jobs_dir, [ProgramJob])
    store.open()
    made = [store.create(ProgramJob, name, program("true")) for name in ("one", "two")]
    for job in made:
        store.save(job)
    loaded = store.load_all(())
    assert len({id(job.recent_logs) for job in [*made, *loaded]}) == 1
    store.close()


def test_what_a_running_task_has_said_is_never_forgotten(tmp_path: Path) -> None:
    task = ProgramTask(tmp_path, "main")
    task.history = StatusHistory([StatusChange(Status.RUNNING, 1.0)])
    task.begin_run()
    task.take_lines(["one"])
    task.forget_log()
    assert task.lines == ["one"]
