"""The sample: scikit-learn's handwritten digits as a dataset, and LeNet learning them.

`--demo` makes both, so that a newcomer sees a model learn; the home page's button makes the dataset
and offers the model.  Whoever asks a second time gets the jobs that are there.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

from flask import Flask
from werkzeug.datastructures import ImmutableMultiDict

from digits.dataset.images.classification.forms import ImageClassificationDatasetForm
from digits.dataset.images.classification.views import create_job
from digits.errors import DigitsError, FormError, TaskFailed
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.sources.paths import SAMPLE_FOLDER
from digits.web.logins import FROM_SERVER

log = logging.getLogger(__name__)

DATASET_NAME = "Handwritten digits (sample)"
MODEL_NAME = "LeNet on handwritten digits (sample)"
# Beside the jobs; hidden, so that it is not taken for one.
PICTURES_FOLDER = SAMPLE_FOLDER

DATASET = {
    "dataset_name": DATASET_NAME,
    "resize_channels": "1",
    "resize_width": "28",
    "resize_height": "28",
    "seed": "1",
}
MODEL = {
    "model_name": MODEL_NAME,
    "standard_networks": "lenet",
    "train_epochs": "15",
    "use_mean": "y",
    "random_seed": "1",
}

# Two who ask at the same time get one dataset.
_making = threading.Lock()


def start(app: Flask, scheduler: Scheduler) -> threading.Thread:
    """Begin to make the sample jobs, in a thread of its own."""
    thread = threading.Thread(target=make_jobs, args=(app, scheduler), name="demo", daemon=True)
    thread.start()
    return thread


def make_jobs(app: Flask, scheduler: Scheduler) -> None:
    """The sample dataset and the model on it, unless they are there already."""
    scheduler.wait_until_loaded()
    try:
        with app.test_request_context():
            dataset = sample_dataset(scheduler)
    except DigitsError as error:
        log.error("the sample dataset could not be made: %s", error)
        return
    if _find_job(scheduler, MODEL_NAME) is None:
        answer = app.test_client().post(
            "/models/images/classification.json",
            data={**MODEL, "dataset": dataset.id},
            environ_overrides={FROM_SERVER: True},
        )
        if answer.status_code != 200:
            log.error("the sample model could not be made: %s", answer.get_data(as_text=True))


def sample_dataset(scheduler: Scheduler) -> Job:
    """The sample dataset, made now when it is not there; called in a request of the application.

    Takes a few seconds, in which a process writes the pictures.  Raises StorageError without room,
    TaskFailed when the pictures cannot be written.
    """
    with _making:
        if (job := _find_job(scheduler, DATASET_NAME)) is not None:
            return job
        scheduler.store.require_room()
        pictures = scheduler.store.jobs_dir / PICTURES_FOLDER
        write_pictures(pictures)
        values = ImmutableMultiDict({**DATASET, "folder_train": str(pictures)})
        form = ImageClassificationDatasetForm(formdata=values, meta={"csrf": False})
        if not form.validate():
            raise FormError(form.all_errors)
        return create_job(form)


def write_pictures(folder: Path) -> None:
    """scikit-learn's digits as class folders, written by a process of their own."""
    command = [sys.executable, "-m", "digits.tools.download_data", "digits", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().removeprefix("Error: ")[-500:]
        raise TaskFailed(f"The sample pictures could not be written: {reason}")


def _find_job(scheduler: Scheduler, name: str) -> Job | None:
    lost = (Status.ERROR, Status.ABORTED)
    jobs = (job for job in scheduler.jobs if job.name == name and job.status not in lost)
    return next(jobs, None)
