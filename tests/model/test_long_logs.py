"""The page of a model with a very long log comes at once, and fills in when that has been read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient

from benchmarks.long_logs import long_log
from digits.jobs import task
from digits.jobs.long_logs import LongLogs
from digits.jobs.recent_logs import RecentLogs
from digits.model.job import ModelJob
from digits.model.training.plan import TrainingPlan
from tests.apps import running_app, scheduler_of
from tests.launchers import RecordingLauncher

MEGABYTES = 3
NOTE = b"is being read"


class HeldLogs(LongLogs):
    """Reads a log when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def _digest(self, *arguments: Any) -> Any:
        self.go_on.wait()
        return super()._digest(*arguments)


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return long_log(tmp_path / "jobs", MEGABYTES << 20)


@pytest.fixture
def app(log_path: Path) -> Iterator[Flask]:
    with running_app(log_path.parents[1], launcher=RecordingLauncher()) as app:
        yield app


@pytest.fixture
def held(app: Flask, log_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldLogs]:
    """What reads the model's log, once its `go_on` is set."""
    monkeypatch.setattr(task, "LOG_WAIT_S", 0.0)
    logs = HeldLogs()
    scheduler_of(app).job(log_path.parent.name).recent_logs = RecentLogs(long_logs=logs)
    yield logs
    logs.go_on.set()


def points(client: FlaskClient, log_path: Path) -> int:
    """How many the history has; the answer waits for all of them."""
    answer = client.get(f"/models/{log_path.parent.name}/history.json")
    return len(answer.get_json()["train"]["iteration"])


def test_the_page_says_that_the_log_is_being_read_and_fills_in(
    app: Flask, log_path: Path, held: HeldLogs
) -> None:
    client, url = app.test_client(), f"/models/{log_path.parent.name}"
    page = client.get(url)
    assert page.status_code == 200
    assert NOTE in page.data
    told = client.get(f"{url}.json").get_json()
    assert told["log_is_being_read"] is True
    held.go_on.set()
    assert points(client, log_path) > 10_000
    assert NOTE not in client.get(url).data
    assert "log_is_being_read" not in client.get(f"{url}.json").get_json()


def test_a_history_is_downloaded_whole(app: Flask, log_path: Path, held: HeldLogs) -> None:
    threading.Timer(0.2, held.go_on.set).start()
    answer = app.test_client().get(f"/models/{log_path.parent.name}/history.csv")
    assert len(answer.data.splitlines()) > 10_000


def test_the_best_snapshot_is_that_of_the_whole_log(
    app: Flask, log_path: Path, held: HeldLogs
) -> None:
    model = cast(ModelJob, scheduler_of(app).job(log_path.parent.name))
    plan = TrainingPlan(10**6, 10, 100, 10, 10, 10, ("accuracy",), main_accuracy="accuracy")
    plan.write(model.dir)
    for iteration in (10, 99_990):
        (model.dir / f"snapshot_iter_{iteration}.caffemodel").write_bytes(b"weights")
    log_path.write_text(validation(10, 0.9) + log_path.read_text() + validation(99_990, 0.5))
    threading.Timer(0.2, held.go_on.set).start()
    assert model.snapshot("best")[0] == 1
    assert model.snapshot(None)[0] == 9999


def validation(iteration: int, accuracy: float) -> str:
    """What a log says of a validation pass."""
    head = "I0601 12:00:00.000000 30536 solver.cpp"
    return (
        f"{head}:341] Iteration {iteration}, Testing net (#0)\n"
        f"{head}:409]     Test net output #0: accuracy = {accuracy}\n"
    )
