"""Socket.IO: turns the job layer's signals into messages for browsers.

`/home` gets what the home page shows of every job; in `/jobs` a client joins the room of a job and
gets its `job update` and `task update` messages.  Nothing here changes a job.
"""

from __future__ import annotations

import contextlib
from typing import Any

from flask import Flask, render_template
from flask_socketio import SocketIO

from digits.base import strict_json
from digits.base.devices import Devices
from digits.errors import JobNotFound
from digits.home.columns import live_results
from digits.home.watch import HomeWatch
from digits.jobs import signals
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.signals import Update
from digits.jobs.status import Status
from digits.jobs.task import Task
from digits.web import socket_limits
from digits.web.answers import job_summary
from digits.web.socket_logins import SocketLogins

HOME = "/home"
JOBS = "/jobs"


def connect(app: Flask, scheduler: Scheduler, clients: SocketLogins, devices: Devices) -> SocketIO:
    """A SocketIO server on `app` that tells `clients` of jobs and devices."""
    # gevent when the entry point patched the standard library, else threads: the code is the same.
    mode = app.config.get("SOCKETIO_ASYNC_MODE", async_mode())
    server = SocketIO(app, async_mode=mode, json=strict_json, **socket_limits.OPTIONS)
    rooms = socket_limits.Rooms()
    clients.close_on(server)
    watch = HomeWatch(app, server, scheduler, clients, devices)
    listeners = Listeners(app, server, scheduler, clients)
    app.extensions["digits-listeners"] = (listeners, watch)

    def left(reason: Any = None) -> None:
        clients.leave(reason)
        rooms.forget()

    server.on_event("connect", watch.came, namespace=HOME)
    server.on_event("disconnect", watch.left, namespace=HOME)
    server.on_event("connect", clients.admit, namespace=JOBS)
    server.on_event("disconnect", left, namespace=JOBS)
    server.on_event("join", rooms.join, namespace=JOBS)
    server.on_event("leave", rooms.leave, namespace=JOBS)
    return server


def async_mode() -> str:
    """`gevent` when the standard library is patched by it, else `threading`."""
    import gevent.monkey  # noqa: PLC0415 - asked once; gevent is heavy for tools that never serve

    return "gevent" if gevent.monkey.is_module_patched("threading") else "threading"


class Listeners:
    """The signals' listeners of one application; blinker holds them weakly, the app strongly."""

    def __init__(
        self, app: Flask, server: SocketIO, scheduler: Scheduler, clients: SocketLogins
    ) -> None:
        self.app = app
        self.server = server
        self.clients = clients
        self.scheduler = scheduler
        signals.job_added.connect(self.job_added)
        signals.job_deleted.connect(self.job_deleted)
        signals.job_status_changed.connect(self.job_status_changed)
        signals.job_attribute_changed.connect(self.job_attribute_changed)
        signals.job_measured.connect(self.job_measured)
        signals.task_status_changed.connect(self.task_status_changed)
        signals.task_progress.connect(self.task_progress)
        signals.task_updated.connect(self.task_updated)

    def job_added(self, job: Job) -> None:
        # A part of another job has no row of its own on the home page.
        if self._is_ours(job) and job.belongs_to is None:
            data = {**job_summary(job), "type": job.title, "category": job.category}
            html = self._render("home/job_row.html", job=job)
            self._home(job.id, Update.ADDED, html=html, **data)

    def job_deleted(self, job: Job) -> None:
        if self._is_ours(job):
            self._home(job.id, Update.DELETED)
            self._job(job.id, Update.DELETED)

    def job_attribute_changed(self, job: Job, attribute: str) -> None:
        if self._is_ours(job):
            value = getattr(job, attribute)
            self._home(job.id, Update.ATTRIBUTE, attribute=attribute, value=value)
            self._job(job.id, Update.ATTRIBUTE, attribute=attribute, value=value)

    def job_measured(self, job: Job) -> None:
        if self._is_ours(job) and job.belongs_to is None:
            self.clients.look()
            message = {"job_id": job.id, **live_results(job)}
            self.server.emit("results", message, namespace=HOME)

    def job_status_changed(self, job: Job) -> None:
        if not self._is_ours(job):
            return
        data = {
            "status": job.status.value,
            "css": job.css,
            "word": job.status_word,
            "running": job.status.is_active,
            "name": job.name,
            "html": self._render("job/status_history.html", of=job),
        }
        self._home(job.id, Update.STATUS, **data)
        self._job(job.id, Update.STATUS, **data, error=job.error)

    def task_status_changed(self, task: Task) -> None:
        if not self._is_our_task(task):
            return
        self._task(
            task,
            Update.STATUS,
            status=task.status.value,
            css=task.css,
            word=task.status_word,
            show=task.status in (Status.RUNNING, Status.ERROR),
            running=task.status.is_active,
            html=self._render("job/status_history.html", of=task),
            error=task.error,
            message=task.message,
        )

    def task_progress(self, task: Task) -> None:
        if not self._is_our_task(task):
            return
        percentage = round(100 * task.progress, 1)
        self._task(task, Update.PROGRESS, percentage=percentage, eta=task.eta_s)
        with contextlib.suppress(JobNotFound):  # it is being deleted
            job = self.scheduler.job(task.job_id)
            self._home(job.id, Update.PROGRESS, percentage=round(100 * job.progress, 1))

    def task_updated(self, task: Task, update: str, data: Any) -> None:
        if not self._is_our_task(task):
            return
        self._task(task, update, data=data)
        if update == Update.COMBINED_GRAPH and task.status is Status.RUNNING:
            with contextlib.suppress(JobNotFound):
                self.job_measured(self.scheduler.job(task.job_id))

    def _is_ours(self, job: Job) -> bool:
        """Several applications may live in one process, in tests."""
        return job.dir.parent == self.scheduler.store.jobs_dir

    def _is_our_task(self, task: Task) -> bool:
        return task.job_dir.parent == self.scheduler.store.jobs_dir

    def _home(self, job_id: str, update: Update, **data: Any) -> None:
        self.clients.look()
        self.server.emit("job update", {"job_id": job_id, "update": update, **data}, namespace=HOME)

    def _job(self, job_id: str, update: Update, **data: Any) -> None:
        message = {"job_id": job_id, "update": update, **data}
        self.clients.look()
        self.server.emit("job update", message, namespace=JOBS, to=job_id)

    def _task(self, task: Task, update: str, **data: Any) -> None:
        message = {"job_id": task.job_id, "task": task.id, "update": update, **data}
        self.clients.look()
        self.server.emit("task update", message, namespace=JOBS, to=task.job_id)

    def _render(self, template: str, **context: Any) -> str:
        # Outside a request; fragments need one for the addresses in them.
        with self.app.test_request_context():
            return render_template(template, **context)
