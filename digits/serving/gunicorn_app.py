"""gunicorn's application for DIGITS: its settings, over reloads, and what its worker runs.

gunicorn's process holds it, reads the settings at its start and at each SIGHUP, and forks the
worker, which finds in its copy what was read.  Settings that cannot be used never end a server
that runs: the last good ones stay.

There is one worker, since the scheduler lives in it; it serves many connections by gevent.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from gunicorn.app.base import Application

from digits.config import Config
from digits.errors import ConfigError, DigitsError
from digits.serving.connections import MOST_CONNECTIONS
from digits.serving.production import production_config, require_usable

# The exit status of a start with settings that cannot be used, as of the development server.
UNUSABLE = 2
# That of a worker which cannot start: tells gunicorn that another try would end likewise.
CANNOT_START = 3
# How long a worker waits for the jobs directory: the first one's was seen to be free, but at a
# reload the worker before holds it until its last request is answered.
FIRST_WAIT_S = 1.0
RELOAD_WAIT_S = 60.0
# What used to be gunicorn's settings and now leads here, and the module that it named.
FORMER_SETTINGS = "gunicorn_config.py"
FORMER_MODULE = "digits.wsgi:app"


class RunningServer(Protocol):
    """What a worker runs."""

    app: Any

    def disconnect_pages(self) -> None: ...
    def stop(self) -> None: ...


# Starts everything that one worker runs, with settings and the seconds to wait for the directory.
Start = Callable[[Config, float], RunningServer]


class DigitsApplication(Application):  # type: ignore[misc]
    """Serves what `start` makes; that is called in the worker, which gevent has patched by then."""

    def __init__(self, start: Start) -> None:
        self.cfg: Any = None  # gunicorn's settings
        self._start = start
        self._lock_wait_s = FIRST_WAIT_S
        # What the worker runs; None in gunicorn's own process.
        self.server: RunningServer | None = None
        try:
            self.config = production_config()
        except ConfigError as error:
            _say(error.problems)
            raise SystemExit(UNUSABLE) from None
        # The jobs directory may be made here.
        os.umask(self.config.umask_bits)
        super().__init__("%(prog)s [OPTIONS]", prog="digits-server")

    def load_config(self) -> None:
        """Ours, then those of gunicorn's environment variable and command line."""
        parser = self.cfg.parser()
        options = [parser.parse_args(self.cfg.get_cmd_args_from_env()), parser.parse_args()]
        for name in {name for given in options for name in given.args} - {FORMER_MODULE}:
            parser.error(f"DIGITS itself is what is served: leave {name!r} out")
        self._set(self._own_settings().items())
        for given in options:
            if given.config and Path(given.config).name != FORMER_SETTINGS:
                self.load_config_from_file(given.config)
        for given in options:
            self._set((name, value) for name, value in vars(given).items() if name != "args")
        self.chdir()

    def reload(self) -> None:
        """Take the settings as they are now, or leave all as it is and say why."""
        gunicorns, before = self.cfg, self.config
        try:
            self.config = production_config()
            require_usable(self.config, before)
            super().reload()
        except (ConfigError, SystemExit) as error:
            # gunicorn has told what is wrong with its own, and would end.
            _say(error.problems if isinstance(error, ConfigError) else [])
            _say(["the settings stay as they were; correct them and send SIGHUP again"])
            self.cfg, self.config = gunicorns, before

    def load(self) -> Any:
        """The WSGI application, with everything behind it running."""
        if self.cfg.check_config or self.cfg.print_config:
            return None  # the settings have been read
        try:
            self.server = self._start(self.config, self._lock_wait_s)
        except DigitsError as error:
            _say([str(error)])
            raise SystemExit(CANNOT_START) from None
        return self.server.app

    def _own_settings(self) -> dict[str, Any]:
        host, port = self.config.host, self.config.port
        return {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "worker_class": "digits.serving.gunicorn_worker.DigitsWorker",
            "workers": 1,
            "worker_connections": MOST_CONNECTIONS,
            # Also how long the headers of a request may take.
            "keepalive": math.ceil(self.config.client_timeout_s),
            # Requests that are being answered when the worker is to stop may take this long; idle
            # and live connections are not waited for.
            "graceful_timeout": 15,
            # A worker whose event loop has stood still for this long is replaced.  An upload may
            # take longer.
            "timeout": 120,
            "control_socket_disable": True,
            # The prefix is a setting; no header may state another one.
            "forwarder_headers": "",
            "accesslog": "-",
            "errorlog": "-",
            "logger_class": "digits.serving.access_log.AccessLogger",
            "access_log_format": '%(t)s %(h)s "%(r)s" %(s)s %(b)s %(L)ss',
            "on_starting": self._before_listening,
            "post_fork": self._in_new_worker,
            "worker_exit": self._at_end_of_worker,
        }

    def _set(self, settings: Iterable[tuple[str, Any]]) -> None:
        for name, value in settings:
            if value is not None:
                self.cfg.set(name, value)

    # What gunicorn calls ------------------------------------------------------------------------

    def _before_listening(self, _arbiter: Any) -> None:
        """Refuse to start when another server has the jobs directory, or nothing can be written."""
        try:
            require_usable(self.config)
        except ConfigError as error:
            _say(error.problems)
            raise SystemExit(UNUSABLE) from None

    def _in_new_worker(self, _arbiter: Any, worker: Any) -> None:
        """Let a worker that replaces another one wait for it."""
        if worker.age > 1:
            self._lock_wait_s = RELOAD_WAIT_S

    def _at_end_of_worker(self, _arbiter: Any, _worker: Any) -> None:
        """Detach from the running tasks: they go on, and the next worker finds them."""
        # A worker that could not start has none.
        if self.server is not None:
            self.server.stop()


def _say(problems: Iterable[str]) -> None:
    for problem in problems:
        print(f"digits: {problem}", file=sys.stderr, flush=True)  # noqa: T201 - gunicorn logs later
