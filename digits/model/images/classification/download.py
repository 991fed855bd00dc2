"""The archive of a trained model: everything that is needed to use it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import digits
from digits.base import strict_json
from digits.caffe.data.augmentation import AUGMENTATION_FILE
from digits.caffe.errors import CaffeError
from digits.caffe.proto.caffe_pb2 import TransformationParameter
from digits.dataset.images.classification.job import MEAN_FILE
from digits.errors import NotPossible
from digits.model.card import INFO_KEY
from digits.model.download import classify_script
from digits.model.download.archives import Member
from digits.model.download.portable import mean_of_values, with_scale
from digits.model.images.classification.augmentation_words import augmentation_in_words
from digits.model.images.classification.later_facts import later_facts
from digits.model.job import DEPLOY_FILE, TRAIN_VAL_FILE
from digits.model.network.text import net_in_file, network_to_text
from digits.model.training.solver import SOLVER_FILE
from digits.sources.picture_list import LABELS_FILE

if TYPE_CHECKING:
    from digits.model.images.classification.job import ImageClassificationModelJob


def archive_members(
    job: ImageClassificationModelJob, epoch: float | int, weights: Path
) -> list[Member]:
    """What goes into the archive of a snapshot; a mean file only where a mean is subtracted."""
    pictures = job.pictures
    transform = job.transformation()
    files: dict[str, Path | bytes] = {
        "info.json": (strict_json.dumps(model_info(job, epoch, weights), indent=1) + "\n").encode(),
        DEPLOY_FILE: _deploy(job, transform.scale),
        TRAIN_VAL_FILE: job.dir / TRAIN_VAL_FILE,
        SOLVER_FILE: job.dir / SOLVER_FILE,
        LABELS_FILE: "".join(f"{label}\n" for label in pictures.labels()).encode(),
        weights.name: weights,
        "classify.py": Path(classify_script.__file__),
    }
    if transform.HasField("mean_file"):
        files[MEAN_FILE] = pictures.mean_path
    elif transform.mean_value:
        shape = (pictures.channels, pictures.height, pictures.width)
        files[MEAN_FILE] = mean_of_values(transform.mean_value, *shape)
    if (job.dir / AUGMENTATION_FILE).is_file():
        files[AUGMENTATION_FILE] = job.dir / AUGMENTATION_FILE
    return [Member(name, content) for name, content in files.items()]


def _deploy(job: ImageClassificationModelJob, scale: float) -> Path | bytes:
    """The deployed network; one that multiplies by the scale itself where there is one."""
    path = job.dir / DEPLOY_FILE
    if scale == 1:
        return path
    try:
        return network_to_text(with_scale(net_in_file(path), scale)).encode()
    except (CaffeError, OSError) as error:
        raise NotPossible(f"{DEPLOY_FILE} of {job.name!r} cannot be read: {error}") from error


def model_info(
    job: ImageClassificationModelJob, epoch: float | int, weights: Path
) -> dict[str, Any]:
    """What `info.json` says: where the model is from, and how its pictures are prepared."""
    pictures, dataset = job.pictures, job.dataset
    transform, output = job.transformation(), job.output()
    caffe_root = job.settings.caffe_root
    mean_file = MEAN_FILE if _subtracts(transform) else None
    return {
        **later_facts(job, weights),
        "mean file": mean_file,  # in the archive, whatever the settings ask for
        "job_id": job.id,
        "name": job.name,
        "group": job.group or None,
        "epoch": epoch,
        "weights": weights.name,
        "image": {
            "width": pictures.width,
            "height": pictures.height,
            "channels": pictures.channels,
            "type": "COLOR" if pictures.channels == 3 else "GRAYSCALE",
            "resize_mode": pictures.resize_mode,
            "value_range": list(pictures.value_range),
        },
        "transform": {
            "crop_size": transform.crop_size or None,
            "mean_file": mean_file,
            "mean_values": list(transform.mean_value),
            "scale": transform.scale,
            "scale_in_deploy": True,
        },
        "output": {"name": output.name, "is_probability": output.is_probability},
        "fine_tune": job.settings.what_learns or None,
        "augmentation": augmentation_in_words(job.settings.augmentation),
        **({INFO_KEY: card.to_json()} if (card := job.card) else {}),
        "trained_by": {"name": "Caffe", "version": job.settings.caffe_version or caffe_root}
        if caffe_root
        else {"name": "DIGITS", "version": digits.__version__},
        "dataset": {"id": dataset.id, "name": dataset.name} if dataset else None,
    }


def _subtracts(transform: TransformationParameter) -> bool:
    return transform.HasField("mean_file") or bool(transform.mean_value)
