"""The archive of a trained model: everything that is needed to use it elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import digits
from digits.dataset.images.classification.job import MEAN_FILE
from digits.model.download import classify_script
from digits.model.download.archives import Member
from digits.model.job import DEPLOY_FILE, TRAIN_VAL_FILE
from digits.model.tasks.train import SOLVER_FILE
from digits.sources.picture_list import LABELS_FILE

if TYPE_CHECKING:
    from digits.model.images.classification.job import ImageClassificationModelJob


def archive_members(
    job: ImageClassificationModelJob, epoch: float | int, weights: Path
) -> list[Member]:
    """What goes into the archive of a snapshot."""
    dataset = job.image_dataset
    files = {
        DEPLOY_FILE: job.dir / DEPLOY_FILE,
        TRAIN_VAL_FILE: job.dir / TRAIN_VAL_FILE,
        SOLVER_FILE: job.dir / SOLVER_FILE,
        MEAN_FILE: dataset.mean_path,
        weights.name: weights,
        "classify.py": Path(classify_script.__file__),
    }
    info = json.dumps(model_info(job, epoch, weights), indent=1) + "\n"
    return [
        Member("info.json", info.encode()),
        Member(LABELS_FILE, "".join(f"{label}\n" for label in dataset.labels()).encode()),
        *(Member(name, path) for name, path in files.items()),
    ]


def model_info(
    job: ImageClassificationModelJob, epoch: float | int, weights: Path
) -> dict[str, Any]:
    """What `info.json` says: where the model is from, and how its pictures are prepared."""
    dataset = job.image_dataset
    transform = job.transformation()
    caffe_root = job.settings.caffe_root
    return {
        "job_id": job.id,
        "name": job.name,
        "epoch": epoch,
        "weights": weights.name,
        "image": {
            "width": dataset.width,
            "height": dataset.height,
            "channels": dataset.channels,
            "type": "COLOR" if dataset.channels == 3 else "GRAYSCALE",
            "resize_mode": dataset.resize_mode,
            "value_range": list(dataset.value_range),
        },
        "transform": {
            "crop_size": transform.crop_size or None,
            "mean_file": MEAN_FILE if transform.HasField("mean_file") else None,
            "mean_values": list(transform.mean_value),
            "scale": transform.scale,
        },
        "framework": {"name": "Caffe", "version": job.settings.caffe_version or caffe_root}
        if caffe_root
        else {"name": "DIGITS", "version": digits.__version__},
        "dataset": {"id": dataset.id, "name": dataset.name},
    }
