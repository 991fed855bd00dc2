"""Live messages: what browsers on the home page and on a job's page are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_socketio import SocketIO, SocketIOTestClient

from digits.base.devices import Devices
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from tests.apps import running_app, scheduler_of
from tests.conftest import wait_for_status, wait_until
from tests.program_jobs import ProgramJob, program


@pytest.fixture
def scheduler(app: Flask) -> Scheduler:
    return scheduler_of(app)


def browser(app: Flask, namespace: str) -> SocketIOTestClient:
    server: SocketIO = app.extensions["socketio"]
    return server.test_client(app, namespace=namespace)


def messages(client: SocketIOTestClient, namespace: str, name: str) -> list[dict[str, Any]]:
    return [
        message["args"][0] for message in client.get_received(namespace) if message["name"] == name
    ]


def is_job_update(message: dict[str, Any]) -> bool:
    return bool(message["name"] == "job update")


def run(scheduler: Scheduler, script: str = "echo progress 0.5") -> ProgramJob:
    job = scheduler.add_job(ProgramJob, "One", program(script))
    wait_for_status(scheduler, job.id, Status.DONE)
    assert isinstance(job, ProgramJob)
    return job


def test_the_home_page_is_told_of_every_job(app: Flask, scheduler: Scheduler) -> None:
    home = browser(app, "/home")
    job = run(scheduler)
    scheduler.rename_job(job.id, "Two")
    scheduler.delete_job(job.id)
    told = messages(home, "/home", "job update")
    assert {message["job_id"] for message in told} == {job.id}
    updates = [message["update"] for message in told]
    assert updates[0] == "added"
    assert updates[-2:] == ["attribute", "deleted"]
    statuses = [message for message in told if message["update"] == "status"]
    assert [message["status"] for message in statuses][-1] == "Done"
    assert statuses[-1]["css"] == "success"
    assert statuses[-1]["running"] is False
    assert "Done" in statuses[-1]["html"]
    assert told[-2]["value"] == "Two"


def test_the_home_page_is_told_what_came_of_a_job(app: Flask, scheduler: Scheduler) -> None:
    home = browser(app, "/home")
    job = run(scheduler, "head -c 100000 /dev/zero > big")
    wait_until(lambda: job.measured is not None)
    # Its thread has told everybody when it ends: a message that comes while others are taken from
    # the client is lost.
    wait_until(lambda: all(each.name != "measuring" for each in threading.enumerate()))
    [told] = messages(home, "/home", "results")
    assert told["job_id"] == job.id
    assert told["words"]["disk"].endswith("KB")
    assert told["curve"] == ""


def test_a_page_hears_only_of_the_job_whose_room_it_joined(
    app: Flask, scheduler: Scheduler, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    wait_for_gate = f"while [ ! -e {gate} ]; do sleep 0.02; done; echo progress 0.5"
    job = scheduler.add_job(ProgramJob, "watched", program(wait_for_gate))
    page, other = browser(app, "/jobs"), browser(app, "/jobs")
    page.emit("join", {"room": job.id}, namespace="/jobs")
    other.emit("join", {"room": "20200101-000000-000000"}, namespace="/jobs")
    gate.touch()
    received: list[dict[str, Any]] = []

    def job_is_done() -> bool:
        received.extend(page.get_received("/jobs"))
        return any(m["args"][0].get("status") == "Done" for m in received if is_job_update(m))

    wait_until(job_is_done)
    tasks = [m["args"][0] for m in received if m["name"] == "task update"]
    assert all(message["task"] == "main" for message in tasks)
    assert {"status", "progress", "lines"} <= {message["update"] for message in tasks}
    assert next(m for m in tasks if m["update"] == "lines")["data"] == ["progress 0.5"]
    assert other.get_received("/jobs") == []


def test_a_page_that_left_the_room_hears_nothing_more(app: Flask, scheduler: Scheduler) -> None:
    page = browser(app, "/jobs")
    job = run(scheduler)
    page.emit("join", {"room": job.id}, namespace="/jobs")
    page.emit("leave", {"room": job.id}, namespace="/jobs")
    scheduler.rename_job(job.id, "Two")
    assert page.get_received("/jobs") == []


@pytest.mark.parametrize("data", [None, 3, "x", [], {}, {"room": 5}, {"room": "x" * 10_000}])
def test_junk_instead_of_a_room_does_no_harm(app: Flask, data: Any) -> None:
    page = browser(app, "/jobs")
    page.emit("join", data, namespace="/jobs")
    page.emit("leave", data, namespace="/jobs")
    assert page.is_connected("/jobs")


def test_home_pages_hear_of_the_machine_and_the_queue(app: Flask, scheduler: Scheduler) -> None:
    home = browser(app, "/home")
    told: list[dict[str, Any]] = []

    def hears(condition: Callable[[dict[str, Any]], bool]) -> bool:
        told.extend(messages(home, "/home", "machine"))
        return any(condition(message) for message in told)

    wait_until(lambda: hears(lambda message: "cpu" in message["meters"]))
    job = scheduler.add_job(ProgramJob, "Holder", program("sleep 600"))
    wait_until(lambda: hears(lambda message: "Holder" in message.get("queue", "")))
    queues = [message["queue"] for message in told if "queue" in message]
    assert len(set(queues)) == len(queues), "the same queue was sent again"
    scheduler.abort_job(job.id)
    told.clear()
    wait_until(lambda: hears(lambda message: "Holder" not in message.get("queue", "Holder")))


def test_nobody_reads_the_devices_while_nobody_looks(tmp_path: Path) -> None:
    readings = []
    devices = Devices(tmp_path, gpus=lambda: readings.append(1) or [], fresh_s=0)  # type: ignore[func-returns-value]
    with running_app(tmp_path / "jobs", devices=devices) as app:
        assert readings == []
        home = browser(app, "/home")
        wait_until(lambda: readings)
        watch = app.extensions["digits-listeners"][1]
        assert watch.is_talking
        home.disconnect(namespace="/home")
        wait_until(lambda: not watch.is_talking)
        count = len(readings)
        scheduler = app.extensions["digits"].scheduler
        run(scheduler)  # the queue moves
        assert len(readings) == count
