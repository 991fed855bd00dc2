"""The application under test: real scheduler, real pool, Flask's client instead of a socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from digits.accounts.accounts import Accounts
from digits.base.devices import Devices
from digits.base.warm.client import WarmStarts
from digits.config import Config
from digits.inference.pool import Pool, PoolSettings
from digits.jobs.launcher import Launcher, LocalLauncher
from digits.jobs.resources import Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.store import JobStore
from digits.kinds import BUILT_IN
from digits.web.answers import in_thread
from digits.web.kind import JobKind, Kinds
from digits.web.policies import Policies
from digits.webapp import create_app
from tests.program_jobs import ProgramJob

# Nothing shows a program's job: the page of datasets answers that there is none.
KINDS = Kinds([*BUILT_IN, JobKind(job_type=ProgramJob, page="datasets.show")])


@contextmanager
def running_app(
    jobs_dir: Path,
    devices: Devices | None = None,
    kinds: Kinds = KINDS,
    launcher: Launcher | None = None,
    **settings: Any,
) -> Iterator[Flask]:
    """An application with its scheduler and pool started; it fetches from servers of the tests."""
    settings = {"url_allow": ("127.0.0.1",), **settings}
    config = Config(jobs_dir=jobs_dir, **settings)
    policies = Policies(config, Accounts(jobs_dir, in_thread))
    warm = WarmStarts(shared=os.environ.get("DIGITS_WARM_START_DIR"))
    scheduler = Scheduler(
        JobStore(jobs_dir, kinds.job_types, keep_deleted_days=config.keep_deleted_days),
        Resources.of(),
        launcher or LocalLauncher(warm),
        environment=policies.environment,
        grace_s=2,
    )
    pool = Pool(PoolSettings(workers=1), warm=warm)
    scheduler.start()
    try:
        app = create_app(config, scheduler, pool, policies, devices, kinds)
        app.testing = True
        yield app
    finally:
        pool.close()
        scheduler.stop(keep_tasks=False)
        warm.close()


def scheduler_of(app: Flask) -> Scheduler:
    """The scheduler that an application was made with."""
    found = app.extensions["digits"].scheduler
    assert isinstance(found, Scheduler)
    return found
