"""The archive of a model that came in one: the same files again, and what they say of it.

In: an uploaded model.  Out: members for the download.  `info.json` says who it is here, and where
it is from as it did before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits.base import strict_json
from digits.model.download.archives import Member
from digits.model.images.classification.download import archive_members, model_info
from digits.model.job import ORIGINAL_FILE, TRAIN_VAL_FILE
from digits.model.tasks.train import LOG_NAME
from digits.model.training.solver import SOLVER_FILE
from digits.tools.unpack_model import INFO_FILE

if TYPE_CHECKING:
    from digits.model.images.classification.upload.job import UploadedClassificationModelJob

# Where a model is from, which no upload changes.
PROVENANCE = (
    "caffe flavor",
    "caffe version",
    "digits version",
    "trained_by",
    "dataset",
    "python layer file",
)


def uploaded_members(
    job: UploadedClassificationModelJob, epoch: float | int, weights: Path
) -> list[Member]:
    """What goes into the archive: what the first one held."""
    came = job.settings.archive_files
    info = strict_json.dumps(uploaded_info(job, epoch, weights), indent=1) + "\n"
    _, *others = archive_members(job, epoch, weights)
    optional = (TRAIN_VAL_FILE, SOLVER_FILE)
    return [
        Member(INFO_FILE, info.encode()),
        *(each for each in others if each.name not in optional or each.name in came),
        *(Member(name, job.dir / name) for name in (ORIGINAL_FILE, LOG_NAME) if name in came),
    ]


def uploaded_info(
    job: UploadedClassificationModelJob, epoch: float | int, weights: Path
) -> dict[str, Any]:
    """What `info.json` says: as for a model that was trained here, but for where it is from."""
    told = model_info(job, epoch, weights)
    settings = job.settings
    scale = 1.0 if settings.scale is None else settings.scale
    told["transform"] = {**told["transform"], "scale": scale}
    return {**job.info(), **told, **known_facts(job)}


def known_facts(job: UploadedClassificationModelJob) -> dict[str, Any]:
    """What can be told of a model's past under the keys that scripts read."""
    said, came = job.info(), job.settings.archive_files
    return {
        **{key: said.get(key) for key in PROVENANCE},
        "solver file": SOLVER_FILE if SOLVER_FILE in came else None,
        "train_val file": TRAIN_VAL_FILE if TRAIN_VAL_FILE in came else None,
    }
