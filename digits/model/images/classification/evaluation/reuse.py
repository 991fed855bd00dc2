"""Find the job that has classified the same pictures already, so that nothing is done twice.

In: what is asked for, and the jobs.  Out: an evaluation of the same snapshot, whose pictures are
the same ones: those of a database, which never changes, or of a list with the same lines.
A folder may hold other pictures by now, so it is always classified anew.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import IO

from digits.base.job_files import open_file, read_bytes
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.model.images.classification.evaluation.creation import (
    DatabaseSource,
    EvaluationRequest,
    ListSource,
)
from digits.model.images.classification.evaluation.job import (
    LIST_FILE,
    ImageClassificationEvaluationJob,
)
from digits.model.images.classification.evaluation.tasks import REQUEST_FILE

_PIECE_BYTES = 1 << 20


def same_evaluation(
    jobs: Iterable[Job], asked: EvaluationRequest
) -> ImageClassificationEvaluationJob | None:
    """The newest that answers `asked`, done or on its way; None when there is none."""
    found = (job for job in jobs if isinstance(job, ImageClassificationEvaluationJob))
    wanted = (asked.model.id, float(asked.epoch), asked.limit)
    return next(
        (
            job
            for job in sorted(found, key=lambda job: job.history.created_s, reverse=True)
            if (job.settings.model, float(job.settings.epoch), job.settings.limit) == wanted
            and job.settings.top_n >= asked.top_n
            and (job.status is Status.DONE or job.status.is_active)
            and _has_same_pictures(job, asked)
        ),
        None,
    )


def _has_same_pictures(job: ImageClassificationEvaluationJob, asked: EvaluationRequest) -> bool:
    source = asked.source
    try:
        told = json.loads(read_bytes(job.dir / REQUEST_FILE))["source"]
        if isinstance(source, DatabaseSource):
            return bool(told == source.request(job.dir))
        if isinstance(source, ListSource) and told == {"list": LIST_FILE, "folder": source.folder}:
            with open_file(job.dir / LIST_FILE) as kept:
                return _are_equal(kept, source.stream)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # its folder is damaged, or not written yet: that is no answer
    return False


def _are_equal(one: IO[bytes], other: IO[bytes]) -> bool:
    """Whether two files hold the same; `other` is left at its start."""
    other.seek(0)
    pairs = itertools.zip_longest(_pieces(one), _pieces(other))
    is_equal = all(piece == same for piece, same in pairs)
    other.seek(0)
    return is_equal


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece
