"""The settings of a production server, apart from `wsgi.py`: gunicorn's own process asks too.

gunicorn's process reads them at its start and again at each SIGHUP; its worker, which is forked
from it, takes what was read.  So a digits.cfg with a slip in it cannot end a server that runs.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from digits.config import CONFIG_FILE, Config, load_config
from digits.errors import ConfigError, StorageError
from digits.jobs.store import JobStore

# The exit status of a start with settings that cannot be used, as of the development server.
UNUSABLE = 2
# How long a worker waits for the jobs directory: its master looked whether it is free, but at a
# reload the worker before holds it until its last request is answered.
FIRST_WAIT_S = 1.0
RELOAD_WAIT_S = 60.0
lock_wait_s = FIRST_WAIT_S
_in_use: Config | None = None


def read() -> Config:
    """Read the settings anew; those in use stay when the new ones are wrong.

    At the start there are none in use: the problems are printed and the process ends.
    """
    global _in_use
    try:
        _in_use = production_config()
    except ConfigError as error:
        _say(error.problems)
        if _in_use is None:
            raise SystemExit(UNUSABLE) from None
        _say(["the settings stay as they were; mend them and send SIGHUP again"])
    return _in_use


def in_use() -> Config:
    """The settings that gunicorn's process has read last."""
    return _in_use if _in_use is not None else read()


def production_config() -> Config:
    """The settings of a production server: tasks go on while it restarts, unless told otherwise."""
    path = Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None
    environment = {"DIGITS_KEEP_TASKS": "true", **os.environ}
    config = load_config(path, environment)
    return replace(config, jobs_dir=config.jobs_dir.resolve())


def require_free_jobs_dir(config: Config) -> None:
    """End the process with a message when the jobs directory is another server's, or unusable."""
    store = JobStore(config.jobs_dir, ())
    try:
        store.open()
    except StorageError as error:
        _say([str(error)])
        raise SystemExit(UNUSABLE) from None
    # The worker takes it: only the one who runs the scheduler may hold it.
    store.close()


def _say(problems: list[str]) -> None:
    for problem in problems:
        print(f"digits: {problem}", file=sys.stderr, flush=True)  # noqa: T201 - gunicorn logs later
