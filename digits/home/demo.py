"""The sample: scikit-learn's handwritten digits as a dataset, and LeNet learning them.

`--demo` makes both, so that a newcomer sees a model learn; the home page's button makes the dataset
and offers the model.  Whoever asks a second time gets the jobs that are there.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from digits.dataset.images.classification.creation import create_dataset
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.errors import DigitsError, TaskFailed
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.creation import create_model
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.sources.paths import SAMPLE_FOLDER, PathPolicy
from digits.web.answers import Services

log = logging.getLogger(__name__)

DATASET_NAME = "Handwritten digits (sample)"
MODEL_NAME = "LeNet on handwritten digits (sample)"
# Beside the jobs; hidden, so that it is not taken for one.
PICTURES_FOLDER = SAMPLE_FOLDER

DATASET = ImageClassificationDatasetSettings(
    resize_channels="1", resize_width=28, resize_height=28, seed=1
)
# Of a dataset whose id is not known yet.
MODEL = ImageClassificationModelSettings(
    dataset="", standard_networks="lenet", train_epochs=15, random_seed=1
)

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
        dataset = sample_dataset(services.scheduler, services.paths)
    except DigitsError as error:
        log.error("the sample dataset could not be made: %s", error)
        return
    try:
        sample_model(services, dataset)
    except DigitsError as error:
        log.error("the sample model could not be made: %s", error)


def sample_dataset(
    scheduler: Scheduler, paths: PathPolicy, owner: str = "", group: str = ""
) -> Job:
    """The sample dataset, made now for the user `owner`, in `group`, when it is not there.

    Takes a few seconds, in which a process writes the pictures.  Raises StorageError without room,
    TaskFailed when the pictures cannot be written.
    """
    with _making:
        if (job := _find_job(scheduler, DATASET_NAME)) is not None:
            return job
        scheduler.store.require_room()
        pictures = scheduler.store.jobs_dir / PICTURES_FOLDER
        write_pictures(pictures)
        settings = replace(DATASET, folder_train=str(pictures))
        return create_dataset(scheduler, paths, DATASET_NAME, settings, owner=owner, group=group)


def sample_model(services: Services, dataset: Job) -> Job:
    """LeNet on the sample dataset, made now when it is not there.

    Raises StorageError without room, FormError or InferenceError when LeNet cannot be checked.
    """
    scheduler, config = services.scheduler, services.config
    if (job := _find_job(scheduler, MODEL_NAME)) is not None:
        return job
    return create_model(
        scheduler,
        services.pool,
        MODEL_NAME,
        replace(MODEL, dataset=dataset.id),
        "",
        config.caffe_root,
        python_layers=config.python_layers,
    )


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
