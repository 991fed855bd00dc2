"""The worker processes of an application's pool, as the operating system sees them."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
from flask import Flask

from digits.inference import Pool

WORKER = "digits.inference.work.worker"


def workers_of_others(app: Flask) -> set[int]:
    """The process ids of workers that pools of other tests have in this process."""
    pool: Pool = app.extensions["digits"].pool
    return {worker.pid for worker in _workers()} - {state.pid for state in pool.states()}


def stray_workers(app: Flask, others: set[int]) -> list[str]:
    """Workers that are busy, or that the pool knows nothing of; and programs that they started.

    `others` are left out.  Nobody asks anything of the pool meanwhile.
    """
    pool: Pool = app.extensions["digits"].pool
    idle = {state.pid for state in pool.states() if not state.busy}
    found = []
    for worker in _workers():
        if worker.pid in others:
            continue
        try:
            if worker.pid not in idle:
                found.append(f"worker {worker.pid}")
            found += [f"{child.name()} {child.pid}" for child in worker.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue  # it ended meanwhile
    return found


def _workers() -> Iterator[psutil.Process]:
    for child in psutil.Process().children():
        try:
            if WORKER in child.cmdline():
                yield child
        except psutil.NoSuchProcess:
            continue
