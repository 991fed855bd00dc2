"""What operators and their programs ask: `/healthz` for a supervisor, `/metrics` for Prometheus.

In: the services of the application, and each request as it is answered.  Out: JSON with 200 or
503, and Prometheus' text.  Both are asked for every few seconds, so they start nothing, write
nothing, and cost little with ten thousand jobs.  Neither tells what users have named or made.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.web.answers import services

if TYPE_CHECKING:
    from flask_socketio import SocketIO

    from digits.inference.pool import Pool

blueprint = Blueprint("monitoring", __name__)

# With less than this a training cannot even write its next snapshot.
LEAST_FREE_BYTES = 64 * 1024 * 1024
# Seconds: from a status that is looked up to a folder of pictures that is classified.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
NO_ENDPOINT = "none"  # an address that does not exist
NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class Check:
    """One thing that must be well; `message` is for whoever may reach the address: no paths."""

    name: str
    ok: bool
    message: str


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether this server can do its work: 200, or 503 with what is wrong."""
    checks = list(_checks(services().scheduler))
    ok = all(check.ok for check in checks)
    answer = {
        "status": "ok" if ok else "failing",
        "checks": {check.name: {"ok": check.ok, "message": check.message} for check in checks},
    }
    return jsonify(answer), 200 if ok else 503, NO_STORE


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    """Everything that is counted, in Prometheus' text format."""
    registry = cast(CollectorRegistry, current_app.extensions["digits-metrics"])
    text = generate_latest(registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, **NO_STORE})


def _checks(scheduler: Scheduler) -> Iterator[Check]:
    written = scheduler.store.problem is None
    yield Check(
        "jobs_directory",
        written,
        "it can be written" if written else "it cannot be written; the server's log says why",
    )
    alive = scheduler.is_alive
    ended = "its thread has ended; start the server again"
    not_alive = ended if scheduler.is_loaded else "it is still reading the jobs"
    yield Check("scheduler", alive, "its thread runs" if alive else not_alive)
    free = free_bytes(scheduler.store.jobs_dir)
    has_room = free >= LEAST_FREE_BYTES
    yield Check(
        "disk",
        has_room,
        f"{free // 2**20} MB are free" + ("" if has_room else ": delete jobs, or make room"),
    )


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write where `folder` is; 0 when it is gone."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def connect(app: Flask, scheduler: Scheduler, pool: Pool, sockets: SocketIO) -> None:
    """Count the requests of `app` and what its services do; each app has a registry of its own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(ServicesCollector(scheduler, pool, sockets))
    durations = Histogram(
        "digits_request_duration_seconds",
        "Seconds until an answer was ready to be sent, by endpoint and status.",
        ("endpoint", "status"),
        buckets=DURATION_BUCKETS,
        registry=registry,
    )
    app.extensions["digits-metrics"] = registry

    def begin() -> None:
        g.request_began_s = time.perf_counter()

    def end(response: Response) -> Response:
        began_s = g.pop("request_began_s", None)
        if began_s is not None:
            endpoint = request.endpoint or NO_ENDPOINT
            passed_s = time.perf_counter() - began_s
            durations.labels(endpoint, str(response.status_code)).observe(passed_s)
        return response

    # First of all, so that what is refused before the view is counted too.
    app.before_request_funcs.setdefault(None, []).insert(0, begin)
    app.after_request(end)


class ServicesCollector(Collector):
    """Looks at scheduler, pool and sockets at the moment that Prometheus asks."""

    def __init__(self, scheduler: Scheduler, pool: Pool, sockets: SocketIO) -> None:
        self.scheduler = scheduler
        self.pool = pool
        self.sockets = sockets

    def collect(self) -> Iterator[Metric]:
        jobs = self.scheduler.jobs
        kinds = self.scheduler.store.job_types.values()
        yield _counted_jobs(jobs, kinds)
        yield from _counted_tasks(jobs, kinds)
        yield from self._workers()
        yield GaugeMetricFamily(
            "digits_socket_connections",
            "Open pages with a live connection.",
            value=len(self.sockets.server.eio.sockets),
        )
        yield GaugeMetricFamily(
            "digits_disk_free_bytes",
            "Bytes that may still be written where the jobs directory is.",
            value=free_bytes(self.scheduler.store.jobs_dir),
        )
        deleted = self.scheduler.bin.table.total()
        yield GaugeMetricFamily(
            "digits_bin_jobs", "Deleted jobs in the bin.", value=len(self.scheduler.bin.table)
        )
        yield GaugeMetricFamily(
            "digits_bin_bytes",
            "Bytes that deleted jobs take in the bin, as far as they were counted.",
            value=deleted.size_bytes if deleted else 0,
        )

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not look at services that are only being put together."""
        return iter(())

    def _workers(self) -> Iterator[Metric]:
        workers = self.pool.states()
        busy = sum(worker.busy for worker in workers)
        family = GaugeMetricFamily(
            "digits_inference_workers", "Processes that classify, by state.", labels=["state"]
        )
        family.add_metric(["busy"], busy)
        family.add_metric(["idle"], len(workers) - busy)
        yield family
        yield GaugeMetricFamily(
            "digits_inference_memory_bytes",
            "Resident memory of the processes that classify.",
            value=sum(worker.rss_bytes for worker in workers),
        )
        yield GaugeMetricFamily(
            "digits_warm_start_memory_bytes",
            "Resident memory of the process that trainings and networks begin from.",
            value=self.pool.prepared_bytes(),
        )


def _counted_jobs(jobs: list[Job], kinds: Iterable[type[Job]]) -> Metric:
    family = GaugeMetricFamily(
        "digits_jobs", "Jobs of the jobs directory, by type and status.", labels=["type", "status"]
    )
    counts = Counter((job.type_name, job.status) for job in jobs)
    types = dict.fromkeys([kind.type_name for kind in kinds] + [kind for kind, _ in counts])
    for type_name in types:
        for status in Status:
            family.add_metric([type_name, status.value], counts[type_name, status])
    return family


def _counted_tasks(jobs: list[Job], kinds: Iterable[type[Job]]) -> Iterator[Metric]:
    tasks = [task for job in jobs if job.status.is_active for task in job.tasks]
    types = [kind.type_name for job_type in kinds for kind in job_type.task_types]
    for status, name, words in (
        (Status.RUNNING, "digits_tasks_running", "Tasks with a process, by type."),
        (Status.WAITING, "digits_tasks_waiting", "Tasks that wait for their turn, by type."),
    ):
        counts = Counter(task.type_name for task in tasks if task.status is status)
        family = GaugeMetricFamily(name, words, labels=["type"])
        for type_name in dict.fromkeys([*types, *counts]):
            family.add_metric([type_name], counts[type_name])
        yield family
