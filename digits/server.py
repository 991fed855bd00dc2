"""The development server: `python -m digits.server`, started by `./digits-devserver`.

Puts the pieces together: settings, jobs, scheduler, inference pool, application; then serves with
gevent until SIGTERM or Ctrl-C.  `digits-server` (gunicorn) uses `build` from here as well.
"""

from gevent import monkey

# Before anything else: what is imported below must get gevent's threads, sockets and sub-processes.
monkey.patch_all()

# ruff: noqa: E402
import argparse
import gc
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gevent
from flask import Flask

import digits
from digits.accounts.accounts import Accounts
from digits.base import devices
from digits.base.warm.client import WarmStarts
from digits.config import CONFIG_FILE, Config, default_jobs_dir, load_config
from digits.errors import ConfigError, DigitsError
from digits.home import demo
from digits.inference.pool import Pool, PoolSettings
from digits.jobs.launcher import LocalLauncher
from digits.jobs.resources import Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.store import JobStore
from digits.kinds import installed
from digits.serving.connections import Peers
from digits.serving.http_server import HttpServer
from digits.serving.slow_clients import BodyTimeouts
from digits.web.answers import in_thread
from digits.web.policies import Policies
from digits.webapp import create_app

log = logging.getLogger(__name__)

# What a stop waits for requests that are being answered.
STOP_S = 3.0


@dataclass
class Server:
    """Everything that runs, in one hand."""

    config: Config
    scheduler: Scheduler
    pool: Pool
    app: Flask
    warm: WarmStarts

    def disconnect_pages(self) -> None:
        """Close the live connections of open pages, which come back to the next server."""
        sessions = self.app.extensions["socketio"].server.eio.sockets
        for session in list(sessions.values()):
            # As if the line broke: after a farewell a page would stay away.
            session.close(wait=False, abort=True)

    def stop(self) -> None:
        """End threads and workers; running tasks go on, or are stopped to be resumed later."""
        self.pool.close()
        self.scheduler.stop(keep_tasks=self.config.keep_tasks)
        self.warm.close()


def build(config: Config, *, lock_wait_s: float = 0.5) -> Server:
    """Make the application and begin to read the jobs; StorageError without a jobs directory.

    `lock_wait_s` is how long an earlier server may take to let go of the directory.
    """
    kinds = installed()
    store = JobStore(
        config.jobs_dir,
        kinds.job_types,
        lock_wait_s=lock_wait_s,
        sync=fsync_in_thread,
        aside=in_thread,
        keep_deleted_days=config.keep_deleted_days,
    )
    resources = Resources.of(
        parse_folder_slots=config.parse_folder_slots,
        create_db_slots=config.create_db_slots,
        train_slots=config.train_slots,
        inference_slots=config.inference_slots,
        light_slots=config.light_slots,
        gpus=config.gpu_list or devices.gpu_indices(),
    )
    policies = Policies(config, Accounts(config.jobs_dir, in_thread, fsync_in_thread))
    warm = WarmStarts(idle_s=config.warm_start_idle_s, shared=config.warm_start_dir)
    scheduler = Scheduler(
        store,
        resources,
        LocalLauncher(warm),
        environment=policies.environment,
        grace_s=config.grace_s,
    )
    pool = Pool(
        PoolSettings(
            workers=config.inference_workers,
            idle_s=config.inference_idle_s,
            timeout_s=config.inference_timeout_s,
            memory_mb=config.inference_memory_mb,
            python_layers=config.python_layers,
            environment=policies.budget.to_environment(),
        ),
        warm=warm,
    )
    scheduler.open()
    app = create_app(config, scheduler, pool, policies, kinds=kinds)
    timed = BodyTimeouts(app.wsgi_app, grace_s=config.client_timeout_s)
    app.wsgi_app = timed  # type: ignore[method-assign]
    # With thousands of jobs that takes seconds, in which requests are told so (`web/loading.py`).
    threading.Thread(target=load_uncollected, args=(scheduler,), name="load", daemon=True).start()
    warm.prepare()
    return Server(config, scheduler, pool, app, warm)


def fsync_in_thread(descriptor: int) -> None:
    """Flush a file; waiting for a busy disk must not hold up other requests."""
    in_thread(os.fsync, descriptor)


def load_uncollected(scheduler: Scheduler) -> None:
    """Load jobs without the garbage collector, which ten thousand would keep busy for nothing.

    What is there afterwards lives as long as the server, so it is never searched for garbage.
    """
    gc.disable()
    try:
        scheduler.load()
    except Exception:
        log.exception("the jobs could not be read; the server ends")
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        gc.enable()
    gc.freeze()


def serve(server: Server) -> None:
    """Serve until SIGTERM or SIGINT."""
    config = server.config
    try:
        listener = gevent.socket.create_server((config.host, config.port), backlog=1024)
    except OSError as error:
        raise ConfigError(
            [
                f"cannot listen on {config.host} port {config.port} ({error.strerror}): "
                "choose another one with --port"
            ]
        ) from error
    peers = Peers(config.trusted_proxies)
    wsgi = HttpServer(listener, server.app, peers, config.client_timeout_s)

    def stop() -> None:
        server.disconnect_pages()
        wsgi.stop(STOP_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop)
    host, port = listener.getsockname()[:2]
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host  # noqa: S104 - compared
    url = f"http://{shown}:{port}{config.url_prefix}/"
    log.info("DIGITS listens at %s and reads its jobs", url)

    def say_when_ready() -> None:
        server.scheduler.wait_until_loaded()
        log.info("DIGITS is ready at %s", url)

    gevent.spawn(say_when_ready)
    wsgi.serve_forever()


def set_up_logging(config: Config) -> None:
    """One handler, set once: a file, or stderr; ConfigError when the file cannot be written."""
    target: dict[str, Any] = (
        # What is no text (a file's odd name) is written as an escape, as stderr does.
        {"filename": config.logfile_filename, "encoding": "utf-8", "errors": "backslashreplace"}
        if config.logfile_filename
        else {"stream": sys.stderr}
    )
    try:
        logging.basicConfig(
            level=config.logfile_level.upper(),
            format="%(asctime)s [%(levelname)-7s] %(message)s",
            datefmt="%Y-%m-%d %H:%M:%S",
            **target,
        )
    except OSError as error:
        name = config.logfile_filename
        raise ConfigError(
            [f"logfile_filename {name!r} cannot be written ({error.strerror})"]
        ) from error
    logging.getLogger("engineio").setLevel(logging.WARNING)
    logging.getLogger("socketio").setLevel(logging.WARNING)


def main(arguments: list[str] | None = None) -> int:
    """Run the server; the exit status is 2 for settings that cannot be used."""
    options = parser().parse_args(arguments)
    path = options.config or (Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None)
    flags = {
        "port": options.port,
        "host": options.host,
        "jobs_dir": options.jobs_dir,
        "debug": True if options.debug else None,
        "keep_tasks": True if options.keep_tasks else None,
    }
    # Started in the background of a script SIGINT is ignored, and tasks would inherit that: they
    # could not be paused.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        config = load_config(path, os.environ, flags)
        # Links are resolved once, so that files and jobs agree on where they are.
        config = replace(config, jobs_dir=config.jobs_dir.resolve())
        os.umask(config.umask_bits)
        set_up_logging(config)
        server = build(config)
    except ConfigError as error:
        for problem in error.problems:
            print(f"digits: {problem}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        return 2
    except DigitsError as error:
        print(f"digits: {error}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        if options.demo:
            demo.start(server.app.extensions["digits"])
        serve(server)
    except ConfigError as error:
        log.error("%s", error)
        return 2
    finally:
        running = server.scheduler.active
        if running and not config.keep_tasks:
            log.info("stopping %d jobs; the next start goes on with them", len(running))
        server.stop()
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line; what is left out comes from digits.cfg and the environment."""
    shown_jobs_dir = str(default_jobs_dir()).replace("%", "%%")
    result = argparse.ArgumentParser(
        prog="digits-devserver", description="Serve DIGITS for development and for one's own use."
    )
    result.add_argument("--version", action="version", version=f"DIGITS {digits.__version__}")
    result.add_argument("-p", "--port", help="port to listen on [5000]")
    result.add_argument("--host", help="address to listen on [127.0.0.1]; 0.0.0.0 lets others in")
    result.add_argument(
        "--jobs-dir", help=f"folder that holds one folder per job [{shown_jobs_dir}]"
    )
    result.add_argument("--config", type=Path, help=f"settings file [{CONFIG_FILE}]")
    result.add_argument("-d", "--debug", action="store_true", help="tracebacks on error pages")
    result.add_argument("--keep-tasks", action="store_true", help="leave tasks running at the end")
    result.add_argument(
        "--demo", action="store_true", help="make the sample dataset and train LeNet on it"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
