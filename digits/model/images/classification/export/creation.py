"""Make an export: at once where that is quick, else as a job."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable

from digits.inference.exporting.memory import memory_needed
from digits.inference.exporting.page import RUNTIME
from digits.inference.exporting.request import REQUEST_FILE, ExportRequest
from digits.inference.operations import ExportNetwork
from digits.inference.operations.exports import AS_LEARNED, INT8, ONNX
from digits.inference.operations.messages import to_json
from digits.inference.pool import Pool
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.export.asked import Asked, pictures_of
from digits.model.images.classification.export.facts import metadata_of
from digits.model.images.classification.export.job import ImageClassificationExportJob
from digits.model.images.classification.export.settings import ExportSettings
from digits.model.images.classification.try_out.asking import network_of

# Weights of so many bytes become a file while somebody waits: a second or two.
MADE_AT_ONCE_BYTES = 32 << 20
# Two who ask for the same at the same time get one job.
_making = threading.Lock()


def create_export(scheduler: Scheduler, asked: Asked, owner: str, group: str = "") -> Job:
    """The job that makes what is asked for: one that has, or does, else a new one.

    Raises StorageError, TaskFailed.
    """
    with _making:
        found = same_export(scheduler.parts(asked.job.id), asked.settings)
        if found is not None:
            return found
        asked_for = json.dumps(to_json(_request(scheduler, asked)), indent=1)
        return scheduler.add_job(
            ImageClassificationExportJob,
            f"{asked.job.name}: {asked.settings.words}",
            asked.settings,
            lambda job: job.write_text(REQUEST_FILE, asked_for),
            owner=owner,
            group=group,
        )


def same_export(
    jobs: Iterable[Job], settings: ExportSettings
) -> ImageClassificationExportJob | None:
    """The newest export that is the same, made or on its way; None when there is none."""
    found = (job for job in jobs if isinstance(job, ImageClassificationExportJob))
    return next(
        (
            job
            for job in sorted(found, key=lambda job: job.history.created_s, reverse=True)
            if job.settings.is_same(settings) and (job.is_made or job.status.is_active)
        ),
        None,
    )


def made_at_once(pool: Pool, scheduler: Scheduler, asked: Asked) -> bytes:
    """The content of the ONNX file.  Raises InferenceErrors, TaskFailed."""
    metadata = metadata_of(asked.job, asked.weights, asked.settings, _names(scheduler))
    network = network_of(asked.job, asked.weights)
    request = ExportNetwork(network, asked.settings.preprocess, metadata)
    return pool.ask(request).content


def is_quick(asked: Asked) -> bool:
    """Whether it is made while somebody waits."""
    settings = asked.settings
    is_plain = settings.format == ONNX and settings.quantize == AS_LEARNED
    return is_plain and weights_bytes(asked) <= MADE_AT_ONCE_BYTES


def weights_bytes(asked: Asked) -> int:
    """Bytes of the snapshot; 0 where it is gone."""
    try:
        return asked.weights.stat().st_size
    except OSError:
        return 0


def memory_of(size_bytes: int, quantize: str) -> int:
    """Bytes of memory that exporting weights of this size takes, about."""
    return memory_needed(size_bytes, is_int8=quantize == INT8)


def _request(scheduler: Scheduler, asked: Asked) -> ExportRequest:
    settings = asked.settings
    return ExportRequest(
        network=network_of(asked.job, asked.weights),
        format=settings.format,
        takes_pictures=settings.preprocess,
        quantize=settings.quantize,
        name=asked.job.name,
        metadata=metadata_of(asked.job, asked.weights, settings, _names(scheduler)),
        pictures=pictures_of(asked.job),
        runtime=RUNTIME,
    )


def _names(scheduler: Scheduler) -> dict[str, str]:
    return {job.id: job.name for job in scheduler.jobs}
