"""What a folder of the original DIGITS holds, and how its files are taken over.

Their `status.pickle` is never read: unpickling runs whatever code somebody put into it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from digits.jobs.job import Job
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.jobs.store import JobStore
from digits.jobs.task import Task
from digits.sources.picture_list import LABELS_FILE

TRAIN_VAL_FILE = "train_val.prototxt"
DEPLOY_FILE = "deploy.prototxt"

_ID_WITH_TIME = re.compile(r"(\d{8}-\d{6})-[0-9a-f]{4,}")


def is_model(folder: Path) -> bool:
    """Whether the folder is that of a model, or an archive of one that was unpacked."""
    return (folder / TRAIN_VAL_FILE).is_file() and (folder / DEPLOY_FILE).is_file()


def has_dataset(folder: Path) -> bool:
    """Whether the folder has what a model needs of its dataset: labels, perhaps databases."""
    return (folder / LABELS_FILE).is_file()


def take_over(source: Path, target: Path) -> None:
    """Give a file a second name in another folder, or copy it where that cannot be done."""
    source = source.resolve()
    target.parent.mkdir(exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def read_info(folder: Path) -> dict[str, Any]:
    """What the `info.json` of an archive says; empty when there is none."""
    try:
        info = json.loads((folder / "info.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def save_ended(store: JobStore, job: Job, folder: Path, status: Status = Status.DONE) -> None:
    """Give a job and its tasks the past that the folder tells of, and save it."""
    began_s, ended_s = _times(folder)
    owners: list[Job | Task] = [job, *job.tasks]
    for owner in owners:
        owner.history = StatusHistory(
            [
                StatusChange(Status.INITIALIZED, began_s),
                StatusChange(Status.WAITING, began_s),
                StatusChange(Status.RUNNING, began_s),
                StatusChange(status, ended_s),
            ]
        )
    for task in job.tasks:
        task.attempts = 1
    store.save(job)


def discard(job: Job) -> None:
    """Remove what was made of a job that could not be imported; no server has seen it."""
    shutil.rmtree(job.dir, ignore_errors=True)


def log_lines(lines: Iterable[str]) -> str:
    """Lines as the programs of `digits.tools` would have logged them."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S")
    return "".join(f"{moment} [INFO] {line}\n" for line in lines)


def _times(folder: Path) -> tuple[float, float]:
    """When the job was made and ended, in seconds since the epoch, by its id and its files."""
    times = [path.stat().st_mtime for path in folder.iterdir() if path.is_file()] or [time.time()]
    ended_s = max(times)
    if (match := _ID_WITH_TIME.fullmatch(folder.name)) is not None:
        try:
            began_s = time.mktime(time.strptime(match[1], "%Y%m%d-%H%M%S"))
        except (ValueError, OverflowError):
            began_s = min(times)
    else:
        began_s = min(times)
    return min(began_s, ended_s), ended_s
