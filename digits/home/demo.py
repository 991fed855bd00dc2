"""Make a sample: its pictures as a dataset, and a network learning them.

`--demo` makes both of the digits, so that a newcomer sees a model learn; the home page's buttons
make a dataset and offer the model.  Whoever asks a second time gets the jobs that are there.
Elsewhere: which samples there are (`samples.py`).
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from digits.dataset.images.classification.creation import create_dataset
from digits.errors import DigitsError, FormError, TaskFailed
from digits.home.samples import DIGITS, Sample
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.creation import create_model
from digits.sources.paths import PathPolicy
from digits.web.answers import Services

log = logging.getLogger(__name__)

# Two who ask at the same time get one dataset.
_making = threading.Lock()


def start(services: Services) -> threading.Thread:
    """Begin to make the sample jobs, in a thread of its own."""
    thread = threading.Thread(target=make_jobs, args=(services,), name="demo", daemon=True)
    thread.start()
    return thread


def make_jobs(services: Services) -> None:
    """The sample dataset and the model on it, unless they are there already."""
    services.scheduler.wait_until_loaded()
    try:
        dataset = sample_dataset(services.scheduler, services.paths, DIGITS)
    except DigitsError as error:
        log.error("the sample dataset could not be made: %s", error)
        return
    try:
        sample_model(services, DIGITS, dataset)
    except DigitsError as error:
        log.error("the sample model could not be made: %s", error)


def sample_dataset(
    scheduler: Scheduler, paths: PathPolicy, sample: Sample, owner: str = "", group: str = ""
) -> Job:
    """A sample's dataset, made now for the user `owner`, in `group`, when it is not there.

    Takes a few seconds, in which a process writes the pictures.  Raises StorageError without room,
    TaskFailed when the pictures cannot be written, FormError where something must be installed.
    """
    with _making:
        if (job := _find_job(scheduler, sample.dataset_name)) is not None:
            return job
        _require_installed(sample)
        scheduler.store.require_room()
        pictures = scheduler.store.jobs_dir / sample.folder
        write_pictures(sample, pictures)
        settings = replace(sample.dataset, folder_train=str(pictures))
        return create_dataset(
            scheduler, paths, sample.dataset_name, settings, owner=owner, group=group
        )


def sample_model(services: Services, sample: Sample, dataset: Job) -> Job:
    """The model of a sample on its dataset, made now when it is not there.

    Raises StorageError without room, FormError or InferenceError when it cannot be checked.
    """
    scheduler, config = services.scheduler, services.config
    if (job := _find_job(scheduler, sample.model_name)) is not None:
        return job
    return create_model(
        scheduler,
        services.pool,
        sample.model_name,
        replace(sample.model, dataset=dataset.id),
        "",
        config.caffe_root,
        python_layers=config.python_layers,
    )


def write_pictures(sample: Sample, folder: Path) -> None:
    """A sample's pictures as class folders, written by a process of their own."""
    command = [sys.executable, "-m", "digits.tools.download_data", sample.key, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().removeprefix("Error: ")[-500:]
        raise TaskFailed(f"The sample pictures could not be written: {reason}")


def _require_installed(sample: Sample) -> None:
    if command := sample.missing():
        message = (
            "Its pictures come from a font that is not installed. Whoever runs this machine can "
            f"install it: {command}"
        )
        raise FormError({"sample": [message]})


def _find_job(scheduler: Scheduler, name: str) -> Job | None:
    lost = (Status.ERROR, Status.ABORTED)
    jobs = (job for job in scheduler.jobs if job.name == name and job.status not in lost)
    return next(jobs, None)
