"""A trained model becomes a pretrained one: `to_pretrained`.

In: a model, one of its snapshots, and what the card shall say.  Out: a job that stands for itself,
also when the model is deleted: its archive, unpacked beside the jobs instead of sent, goes the way
of one that was uploaded.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from digits.errors import FormError
from digits.inference import Pool
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.model.card import Card
from digits.model.download.archives import Member
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.pretrained.creation import Wanted, add, working_folder
from digits.model.images.classification.upload.checking import check_classifies
from digits.model.images.classification.upload.creation import stage
from digits.model.images.classification.upload.info import ARCHIVE_FIELD
from digits.model.images.classification.upload.reading import Given
from digits.model.job import ORIGINAL_FILE
from digits.tools.unpack_model import MEMBERS_FILE
from digits.web.answers import in_thread

# Not a part of a model.
SCRIPT = "classify.py"


def pretrained_from(
    scheduler: Scheduler,
    pool: Pool,
    model: ImageClassificationModelJob,
    epoch: str,
    wanted: Wanted,
    *,
    python_layers: bool = False,
) -> Job:
    """The pretrained model of a snapshot (`epoch` as text; empty: the last one), Done.

    Raises FormError at `snapshot_epoch` when there is none, or when it cannot be used.
    """
    number, weights = model.snapshot(epoch)
    members = [each for each in model.archive_members(number, weights) if each.name != SCRIPT]
    if all(each.name != ORIGINAL_FILE for each in members):
        members.append(Member(ORIGINAL_FILE, model.text_as_trained().encode()))
    wanted = Wanted(
        wanted.name or model.name, wanted.group, wanted.owner,
        wanted.card.or_else(_card(model, number)),
    )  # fmt: skip
    with working_folder(scheduler.store) as folder:
        in_thread(_write, folder, members)
        try:
            staged = stage(pool, folder, weights.name, Given(), python_layers=python_layers)
            check_classifies(pool, staged.network())
        except FormError as error:
            texts = error.errors.get(ARCHIVE_FIELD) or [str(error)]
            raise FormError({"snapshot_epoch": texts}) from error
        return add(scheduler, staged, wanted)


def _card(model: ImageClassificationModelJob, epoch: float | int) -> Card:
    """What is known of it without being told: where it learned, and what it began from."""
    source = f"Trained by DIGITS: the model {model.name} ({model.id}), epoch {epoch:g}."
    began = model.card
    if began is None:
        return Card(source=source, data=_data(model))
    name = began.name or "a pretrained model"
    source += f" It began from {name}{': ' + began.source if began.source else '.'}"
    before = f" Before that: {began.data}" if began.data else ""
    return Card(
        source=source, licence=began.licence, data=_data(model) + before, limits=began.limits
    )


def _data(model: ImageClassificationModelJob) -> str:
    labels = model.pictures.labels()
    dataset = f"The dataset {model.dataset.name}" if model.dataset else "A dataset"
    return f"{dataset} of {len(labels):,} categories."


def _write(folder: Path, members: list[Member]) -> None:
    """Put the files of an archive into a folder; snapshots get a second name instead of a copy."""
    for member in members:
        target = folder / member.name
        if isinstance(member.content, bytes):
            target.write_bytes(member.content)
            continue
        try:
            os.link(member.content, target)
        except OSError:
            shutil.copyfile(member.content, target)
    (folder / MEMBERS_FILE).write_text(json.dumps([each.name for each in members]), "utf-8")
