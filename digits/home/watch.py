"""Tells open home pages what the machine does: one reading for all, only while somebody looks.

In: connections of the namespace `/home`, and the scheduler's signal that slots or queue moved.
Out: `machine` messages with the meters' present values, and the queue's markup when it changed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, render_template
from flask_socketio import SocketIO

from digits.base.devices import Devices
from digits.home.machine_panel import machine_panel
from digits.jobs import signals
from digits.jobs.scheduler import Scheduler
from digits.web.socket_limits import client_id
from digits.web.socket_logins import SocketLogins

log = logging.getLogger(__name__)

INTERVAL_S = 3.0
# Between two messages at least, however fast the queue moves.
PAUSE_S = 0.3


class HomeWatch:
    """Counts who looks, and keeps one thread talking while somebody does."""

    def __init__(
        self,
        app: Flask,
        server: SocketIO,
        scheduler: Scheduler,
        clients: SocketLogins,
        devices: Devices,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.app = app
        self.server = server
        self.scheduler = scheduler
        self.clients = clients
        self.devices = devices
        self.interval_s = interval_s
        self._watchers: set[str] = set()
        self._talks = False
        self._lock = threading.Lock()  # guards the two above
        self._news = threading.Event()
        self._sent_queue: object = None
        signals.resources_changed.connect(self.queue_moved)

    @property
    def is_talking(self) -> bool:
        """Whether its thread runs."""
        return self._talks

    def came(self, auth: Any = None) -> None:
        """Somebody opened a home page, and may."""
        self.clients.admit(auth)
        with self._lock:
            self._watchers.add(client_id())
            if self._talks:
                return
            self._talks = True
        self.server.start_background_task(self._talk)

    def left(self, *reason: Any) -> None:
        """Somebody closed one, or the connection was lost."""
        self.clients.leave()
        with self._lock:
            self._watchers.discard(client_id())
        self._news.set()

    def queue_moved(self, scheduler: Scheduler) -> None:
        """Slots or GPUs were taken or given back."""
        if scheduler is self.scheduler:
            self._news.set()

    def _talk(self) -> None:
        while self._is_watched():
            self._news.clear()
            try:
                self.tell(self._send)
            except Exception:
                log.exception("the state of the machine could not be told")
            self.server.sleep(PAUSE_S)
            self._news.wait(self.interval_s)

    def _is_watched(self) -> bool:
        with self._lock:
            self._talks = bool(self._watchers) and not self.scheduler.is_stopping
            return self._talks

    def tell(self, send: Callable[[dict[str, Any]], None]) -> None:
        """Send the present state."""
        panel = machine_panel(self.devices.read(), self.scheduler)
        meters = {
            meter.key: {"fraction": meter.fraction, "words": meter.words, "tight": meter.is_tight}
            for meter in panel.all_meters
        }
        message: dict[str, Any] = {"meters": meters}
        if panel.queue != self._sent_queue:
            self._sent_queue = panel.queue
            # Outside a request; the fragment needs one for the addresses in it.
            with self.app.test_request_context():
                message["queue"] = render_template("home/queue.html", panel=panel)
        send(message)

    def _send(self, message: dict[str, Any]) -> None:
        self.clients.look()
        self.server.emit("machine", message, namespace="/home")
