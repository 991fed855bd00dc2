"""The settings of a production server, and what is looked at before they are taken.

gunicorn's own process reads them at its start and at each SIGHUP (`gunicorn_app.py`).  It runs
without gevent's patches, and what it imports its workers have as well: so nothing that holds
sockets, threads or sub-processes is imported here.
"""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

from digits.config import CONFIG_FILE, Config, load_config
from digits.errors import ConfigError, StorageError
from digits.jobs.folder_lock import FolderLock


def production_config() -> Config:
    """The settings as they stand now: tasks go on while the server restarts, unless told otherwise.

    Raises ConfigError with every problem.
    """
    try:
        path = Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None
        config = load_config(path, {"DIGITS_KEEP_TASKS": "true", **os.environ})
        return replace(config, jobs_dir=config.jobs_dir.resolve())
    except (OSError, RuntimeError) as error:  # a folder that is closed, or gone; a loop of links
        raise ConfigError([f"the settings cannot be read: {error}"]) from error


def require_usable(config: Config, running: Config | None = None) -> None:
    """Raise ConfigError where a server with these settings could not start.

    `running` are the settings of the server that they shall replace: it holds its own jobs
    directory and address, which it gives up for the next one.
    """
    problems = [
        problem
        for problem in (
            _log_problem(config.logfile_filename),
            _jobs_dir_problem(config.jobs_dir, running),
            _address_problem(config, running),
        )
        if problem
    ]
    if problems:
        raise ConfigError(problems)


def _log_problem(name: str) -> str | None:
    if not name:
        return None
    try:
        with open(name, "ab"):
            return None
    except OSError as error:
        return f"logfile_filename {name!r} cannot be written ({error.strerror})"


def _jobs_dir_problem(jobs_dir: Path, running: Config | None) -> str | None:
    if running is not None and jobs_dir == running.jobs_dir:
        return None
    lock = FolderLock(jobs_dir)
    try:
        lock.make_folder()
        lock.take()
    except StorageError as error:
        return str(error)
    # The worker takes it: only the one who runs the scheduler may hold it.
    lock.release()
    return None


def _address_problem(config: Config, running: Config | None) -> str | None:
    """Why a running server could not change its address; at a start gunicorn says so itself."""
    if running is None or (config.host, config.port) == (running.host, running.port):
        return None
    # The port is the running server's own where only the host changes.
    port = 0 if config.port == running.port else config.port
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        socket.create_server((config.host, port), family=family).close()
    except OSError as error:
        return f"cannot listen on {config.host} port {config.port} ({error.strerror})"
    return None
