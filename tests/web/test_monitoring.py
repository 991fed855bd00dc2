"""/healthz and /metrics: what supervisors and Prometheus are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from digits.jobs.status import Status
from digits.web import monitoring
from tests.apps import running_app, scheduler_of
from tests.conftest import wait_for_status, wait_until
from tests.disks import Disk
from tests.program_jobs import ProgramJob, program


def metric(app: Flask, name: str, **labels: str) -> float:
    """The value of a metric, as Prometheus would read it."""
    text = app.test_client().get("/metrics").get_data(as_text=True)
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
        if found and dict(re.findall(r'(\w+)="(.*?)"', found[1] or "")) == labels:
            return float(found[2])
    raise AssertionError(f"{name} {labels} is not in\n{text}")


def test_a_sound_server_is_healthy(app: Flask) -> None:
    answer = app.test_client().get("/healthz")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json is not None
    assert answer.json["status"] == "ok"
    assert set(answer.json["checks"]) == {"jobs_directory", "scheduler", "disk"}


def test_a_disk_that_is_almost_full_is_not_nor_is_a_full_one(small_disk: Disk) -> None:
    with running_app(small_disk.path / "jobs") as app:
        assert monitoring.free_bytes(small_disk.path) < monitoring.LEAST_FREE_BYTES
        assert failing_checks(app) == ["disk"]
        small_disk.fill()
        # What was found out about the disk is believed for a moment.
        wait_until(lambda: failing_checks(app) == ["disk", "jobs_directory"])
        answer = app.test_client().get("/healthz")
        assert str(small_disk.path) not in answer.text  # strangers may ask


def failing_checks(app: Flask) -> list[str]:
    """What /healthz complains about, with 503."""
    answer = app.test_client().get("/healthz")
    assert answer.status_code == 503
    assert answer.json is not None
    checks = answer.json["checks"]
    return sorted(name for name in checks if not checks[name]["ok"])


def test_a_server_without_its_scheduler_is_not(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs") as app:
        pass  # stopped at the end
    answer = app.test_client().get("/healthz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["checks"]["scheduler"]["ok"] is False


def test_jobs_and_tasks_are_counted(app: Flask, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    scheduler = scheduler_of(app)
    script = f"while [ ! -e {gate} ]; do sleep 0.02; done"
    jobs = [scheduler.add_job(ProgramJob, str(n), program(script)) for n in range(3)]
    for job in jobs[:2]:  # there are two slots
        wait_for_status(scheduler, job.id, Status.RUNNING)
    assert metric(app, "digits_jobs", type="program", status="Running") == 2
    assert metric(app, "digits_jobs", type="program", status="Waiting") == 1
    assert metric(app, "digits_tasks_running", type="program") == 2
    assert metric(app, "digits_tasks_waiting", type="program") == 1
    gate.touch()
    for job in jobs:
        wait_for_status(scheduler, job.id, Status.DONE)
    assert metric(app, "digits_jobs", type="program", status="Done") == 3


def test_requests_are_timed_by_endpoint_and_status(app: Flask) -> None:
    client = app.test_client()
    for path in ("/", "/", "/jobs/20200101-000000-000000", "/nowhere"):
        client.get(path)
    count = "digits_request_duration_seconds_count"
    assert metric(app, count, endpoint="home.home", status="200") == 2
    assert metric(app, count, endpoint="home.show_job", status="404") == 1
    assert metric(app, count, endpoint="none", status="404") == 1


def test_memory_disk_sockets_and_workers_are_told(app: Flask) -> None:
    assert metric(app, "process_resident_memory_bytes") > 10e6
    assert metric(app, "digits_disk_free_bytes") > 0
    assert metric(app, "digits_inference_workers", state="busy") == 0
    assert metric(app, "digits_socket_connections") == 0


def test_two_applications_count_for_themselves(app: Flask, tmp_path: Path) -> None:
    app.test_client().get("/")
    with running_app(tmp_path / "others") as other, pytest.raises(AssertionError):
        metric(other, "digits_request_duration_seconds_count", endpoint="home.home", status="200")
