"""A model that needs no training and no archive: a standard network that knows ImageNet.

In: the network's weights, and the names of ImageNet's categories, both of installed packages.
Out: the same job that an uploaded archive becomes; who asks again gets the one that is there.
Elsewhere: the weights (`model/network/pretrained.py`), what an archive becomes (`creation.py`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
from pathlib import Path

from digits.errors import FormError
from digits.inference import Pool
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.store import UPLOAD_PREFIX
from digits.model.images.classification.upload.checking import check_classifies
from digits.model.images.classification.upload.creation import stage
from digits.model.images.classification.upload.job import UploadedClassificationModelJob
from digits.model.images.classification.upload.reading import Given
from digits.model.job import DEPLOY_FILE
from digits.model.network.pretrained import pretrained_weights
from digits.model.network.text import network_to_text
from digits.sources.picture_list import LABELS_FILE
from digits.tools import efficientnet_lite0
from digits.tools.unpack_model import INFO_FILE, MEMBERS_FILE
from digits.web.answers import in_thread
from digits.web.words import shown

NETWORK = "efficientnet-lite0"
NAME = f"{efficientnet_lite0.TITLE} (ImageNet)"
# In the folder of static files.
NAMES_FILE = "vendor/@tensorflow-models/mobilenet/imagenet_classes.js"
_ENTRY = re.compile(r"^ {4}(\d+): (.*?)(?:,$|\n};)", re.DOTALL | re.MULTILINE)
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")

# Two who ask at the same time get one model.
_making = threading.Lock()


def imagenet_model(scheduler: Scheduler, pool: Pool, names_file: Path, owner: str = "") -> Job:
    """The model that tells ImageNet's 1,000 categories apart, made now when it is not there.

    Raises FormError when a package is missing, StorageError without room, and InferenceError when
    no worker could look at it.
    """
    with _making:
        if (job := _there(scheduler)) is not None:
            return job
        store = scheduler.store
        store.require_room()
        names = imagenet_names(names_file)
        weights = pretrained_weights(NETWORK, store.jobs_dir)
        with (
            store.writing(),
            tempfile.TemporaryDirectory(dir=store.jobs_dir, prefix=UPLOAD_PREFIX) as folder,
        ):
            in_thread(_write_files, Path(folder), weights, names)
            staged = stage(pool, Path(folder), NAME, Given())
            check_classifies(pool, staged.network())
            return scheduler.add_job(
                UploadedClassificationModelJob,
                NAME,
                staged.settings(),
                staged.move_to,
                owner=owner,
                is_done=True,
            )


def require_known(network: str) -> None:
    """FormError for a network that no weights of ImageNet are at hand for."""
    if network != NETWORK:
        message = f"There are weights of ImageNet for {NETWORK} alone. Received: {shown(network)}."
        raise FormError({"network": [message]})


def imagenet_names(path: Path) -> list[str]:
    """The names of ImageNet's categories by their numbers; FormError when they are not there."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise _no_names(f"{path.name} cannot be read ({error.strerror})") from error
    found = {int(entry[1]): _joined(entry[2]) for entry in _ENTRY.finditer(text)}
    wanted = range(efficientnet_lite0.IMAGENET_CLASSES)
    if sorted(found) != list(wanted):
        raise _no_names(f"{path.name} has {len(found)} of {len(wanted)}")
    return [found[number] for number in wanted]


def _joined(pieces: str) -> str:
    texts = (match[1] or match[2] or "" for match in _TEXT.finditer(pieces))
    return re.sub(r"\\(.)", r"\1", "".join(texts))


def _no_names(reason: str) -> FormError:
    message = (
        f"The names of ImageNet's categories are not installed: {reason}. Run scripts/set-up, "
        "which fetches the package @tensorflow-models/mobilenet."
    )
    return FormError({"archive": [message]})


def _there(scheduler: Scheduler) -> Job | None:
    return next(
        (
            job
            for job in scheduler.jobs
            if isinstance(job, UploadedClassificationModelJob) and job.settings.archive_name == NAME
        ),
        None,
    )


def _write_files(folder: Path, weights: Path | None, names: list[str]) -> None:
    """What an archive of the model would hold."""
    side = efficientnet_lite0.SIDE
    info = {
        "name": NAME,
        "image": {"width": side, "height": side, "channels": 3, "resize_mode": "crop"},
        "transform": {
            "mean_values": [efficientnet_lite0.MEAN] * 3,
            "scale": efficientnet_lite0.SCALE,
        },
        "output": {"name": "prob"},
        "dataset": {"name": "ImageNet (ILSVRC 2012)"},
    }
    texts = {
        INFO_FILE: json.dumps(info, indent=1) + "\n",
        DEPLOY_FILE: network_to_text(efficientnet_lite0.imagenet_network()),
        LABELS_FILE: "".join(f"{name}\n" for name in names),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    target = folder / f"{NETWORK}.caffemodel"
    if weights is not None:
        try:
            os.link(weights, target)
        except OSError:
            shutil.copyfile(weights, target)
    members = sorted([*texts, target.name])
    (folder / MEMBERS_FILE).write_text(json.dumps(members), "utf-8")
