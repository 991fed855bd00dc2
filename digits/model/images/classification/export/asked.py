"""What a request to export a model asks for: which snapshot, and what it is to become.

Everything here reads the present request and raises FormError at the field that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from flask import request
from werkzeug.datastructures import MultiDict

from digits.errors import FormError, JobNotFound, NotPossible
from digits.inference.exporting.page import RUNTIME, missing_runtime
from digits.inference.exporting.request import Pictures
from digits.inference.operations import Database
from digits.inference.operations.exports import (
    AS_LEARNED,
    FORMATS,
    INT8,
    ONNX,
    PAGE,
    QUANTIZED,
)
from digits.jobs.status import Status
from digits.model.images.classification.export.settings import ExportSettings
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.job import ModelJob
from digits.web.answers import scheduler
from digits.web.field_names import problems, unknown_ones
from digits.web.submitted import ONE_VALUE, lists_in_json, submitted_values
from digits.web.words import required_yes_or_no, shown

FIELDS = ("format", "epoch", "snapshot_epoch", "preprocess", "quantize")
# Where accuracy is measured, the first that the dataset has: pictures that were not learned from.
_SPLITS = ("val", "test", "train")


@dataclass(frozen=True)
class Asked:
    """A snapshot of a model, and what it is to become."""

    job: ImageClassificationModelJob
    weights: Path
    settings: ExportSettings


def asked_export(job_id: str, *also: str) -> Asked:
    """What the request asks for, which may have the fields `also` besides.

    JobNotFound, NotPossible, FormError also for unknown fields.
    """
    is_sent = request.method == "POST"
    values: MultiDict[str, Any] = submitted_values() if is_sent else request.args
    _require_known(values, (*FIELDS, *also))
    job = find_exportable(job_id)
    # Accuracy and loss of the snapshot stand in the file.
    job.read_logs(whole=True)
    epoch, weights = _snapshot(job, _text(values, "epoch") or _text(values, "snapshot_epoch"))
    settings = ExportSettings(
        model=job.id,
        model_name=job.name,
        epoch=epoch,
        format=_one_of(values, "format", FORMATS, ONNX),
        preprocess=required_yes_or_no("preprocess", _text(values, "preprocess", "y")),
        quantize=_one_of(values, "quantize", QUANTIZED, AS_LEARNED),
    )
    return Asked(job, weights, settings)


def _require_known(values: MultiDict[str, Any], names: Sequence[str]) -> None:
    """FormError for other fields, and for a field that comes twice and says two things."""
    # No form sends a query: whoever writes an address means every word of it.
    found = (problems if request.method == "POST" else unknown_ones)(values, names)
    for name in names:
        if len(texts := set(values.getlist(name))) > 1:
            received = ", ".join(shown(str(text)) for text in sorted(texts, key=str))
            found[name] = [f"This takes one value. Received: {received}."]
    if found:
        raise FormError(found)


def find_exportable(job_id: str) -> ImageClassificationModelJob:
    """The model with this id; NotPossible for one of another kind."""
    job = scheduler().job(job_id)
    if isinstance(job, ImageClassificationModelJob):
        return job
    if isinstance(job, ModelJob):
        raise NotPossible(f"{job.title}s cannot be exported: ONNX files are made of classifiers.")
    raise JobNotFound(job_id)


def require_possible(asked: Asked) -> None:
    """Raise FormError for what cannot be made of this model, before a job is made of it."""
    settings = asked.settings
    if settings.format == PAGE:
        if not settings.preprocess:
            message = "A page takes pictures: send preprocess=y, or export ONNX."
            raise FormError({"preprocess": [message]})
        if problem := missing_runtime(RUNTIME):
            raise FormError({"format": [problem]})
    if settings.quantize == INT8 and pictures_of(asked.job) is None:
        message = (
            "int8 needs pictures to calibrate with, and the dataset of this model is not here, or "
            "not finished. Export it without int8."
        )
        raise FormError({"quantize": [message]})


def pictures_of(job: ImageClassificationModelJob) -> Pictures | None:
    """The pictures that accuracy is measured with; None where the dataset is gone."""
    if job.dataset is None or job.dataset.status is not Status.DONE:
        return None
    dataset = job.image_dataset
    for split in _SPLITS:
        if count := dataset.picture_count(split):
            database = Database(dataset.database_path(split), dataset.backend)
            return Pictures(split, database, count)
    return None


def _snapshot(job: ImageClassificationModelJob, text: str) -> tuple[float | int, Path]:
    try:
        return job.snapshot(text)
    except FormError as error:
        raise FormError({"epoch": error.errors["snapshot_epoch"]}) from error


def _text(values: MultiDict[str, Any], name: str, default: str = "") -> str:
    """A field without blanks around it; of a box in JSON, true and false are words."""
    if name in lists_in_json():
        raise FormError({name: [ONE_VALUE]})
    value = values.get(name)
    return default if value is None or not isinstance(value, str) else value.strip()


Choice = TypeVar("Choice", bound=str)


def _one_of(
    values: MultiDict[str, Any], name: str, known: Sequence[Choice], default: Choice
) -> Choice:
    text = _text(values, name) or default
    for choice in known:
        if text == choice:
            return choice
    message = f"It is one of {', '.join(known)}. Received: {shown(text)}."
    raise FormError({name: [message]})
