"""A model's facts under the keys that scripts of DIGITS 2 to 6 read: its JSON, and info.json.

Elsewhere: what our own keys say (`ModelJob.facts`, `download.py`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import digits
from digits.dataset.images.classification.job import MEAN_FILE
from digits.errors import TaskFailed
from digits.model.images.classification.settings import PIXEL_MEAN
from digits.model.job import DEPLOY_FILE, FRAMEWORK, ORIGINAL_FILE, TRAIN_VAL_FILE
from digits.model.training.solver import SOLVER_FILE
from digits.sources.picture_list import LABELS_FILE

if TYPE_CHECKING:
    from digits.model.images.classification.job import ImageClassificationModelJob

# Whose Caffe trained.
OUR_FLAVOR, REAL_FLAVOR = "DIGITS", "BVLC"


def later_facts(job: ImageClassificationModelJob, weights: Path | None) -> dict[str, Any]:
    """Those of a snapshot, None where there is none yet; sizes are height, width, channels."""
    settings = job.settings
    return {
        "job id": job.id,
        "creation time": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.history.created_s)),
        "username": job.owner,
        "snapshot file": weights.name if weights else None,
        "solver file": SOLVER_FILE,
        "train_val file": TRAIN_VAL_FILE,
        "deploy file": DEPLOY_FILE,
        "model file": ORIGINAL_FILE,
        "labels file": LABELS_FILE,
        "mean file": MEAN_FILE if settings.use_mean is True else None,
        "mean subtraction": mean_subtraction(job),
        "framework": FRAMEWORK,
        "caffe flavor": REAL_FLAVOR if settings.caffe_root else OUR_FLAVOR,
        "caffe version": settings.caffe_version if settings.caffe_root else digits.__version__,
        "digits version": digits.__version__,
        "python layer file": None,
        **_of_pictures(job),
    }


def mean_subtraction(job: ImageClassificationModelJob) -> str:
    """none, image or pixel."""
    if job.settings.use_mean is True:
        return "image"
    return PIXEL_MEAN if job.settings.use_mean or job.settings.mean_value else "none"


def _of_pictures(job: ImageClassificationModelJob) -> dict[str, Any]:
    try:
        pictures = job.pictures
    except TaskFailed:  # the dataset is gone
        return {"image dimensions": None, "image resize mode": None}
    return {
        "image dimensions": [pictures.height, pictures.width, pictures.channels],
        "image resize mode": pictures.resize_mode,
    }
