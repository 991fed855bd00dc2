"""gunicorn's settings for `./digits-server`; the address comes from DIGITS' own configuration.

One worker: the scheduler lives in it.  It serves many connections at a time by gevent.
gunicorn reads this at its start and at each SIGHUP.
"""

import math
import sys
from typing import Any

from digits.serving import connections, wsgi_config

_config = wsgi_config.read()

bind = (
    f"[{_config.host}]:{_config.port}" if ":" in _config.host else f"{_config.host}:{_config.port}"
)
wsgi_app = "digits.wsgi:app"
worker_class = "digits.serving.gunicorn_worker.DigitsWorker"
workers = 1
worker_connections = connections.MOST_CONNECTIONS
# Also how long the headers of a request may take.
keepalive = math.ceil(_config.client_timeout_s)
# Requests that are being answered when the worker is to stop may take this long; idle and live
# connections are not waited for.
graceful_timeout = 15
# A worker whose event loop has stood still for this long is replaced.  An upload may take longer.
timeout = 120
control_socket_disable = True
# The prefix is a setting; no header may state another one.
forwarder_headers = ""
accesslog = "-"
errorlog = "-"
logger_class = "digits.serving.access_log.AccessLogger"
access_log_format = '%(t)s %(h)s "%(r)s" %(s)s %(b)s %(L)ss'


def on_starting(_server: Any) -> None:
    """Refuse to start, before anything listens, when another server has the jobs directory."""
    wsgi_config.require_free_jobs_dir(_config)


def post_fork(_server: Any, worker: Any) -> None:
    """Let a worker that replaces another one wait for it."""
    if worker.age > 1:
        wsgi_config.lock_wait_s = wsgi_config.RELOAD_WAIT_S


def post_worker_init(worker: Any) -> None:
    """Hand the worker what it calls before it stops; the application is loaded by now."""
    worker.disconnect_pages = sys.modules["digits.wsgi"].server.disconnect_pages


def worker_exit(_server: Any, _worker: Any) -> None:
    """Detach from the running tasks: they go on, and the next worker finds them."""
    # A worker that could not start has not made it.
    wsgi = sys.modules.get("digits.wsgi")
    if wsgi is not None and hasattr(wsgi, "server"):
        wsgi.server.stop()
