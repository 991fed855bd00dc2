"""Make an evaluation: from a list, a folder or a database, for a snapshot of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from digits.config import Config
from digits.dataset.titles import set_title
from digits.inference import Network
from digits.inference.operations.messages import to_json
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.evaluation.job import (
    ANSWERS_FILE,
    LIST_FILE,
    ImageClassificationEvaluationJob,
)
from digits.model.images.classification.evaluation.settings import EvaluationSettings
from digits.model.images.classification.evaluation.tasks import REQUEST_FILE
from digits.model.job import ModelJob
from digits.sources.paths import PathPolicy
from digits.web.uploads import keep_stream


class EvaluationSource(Protocol):
    """Where the pictures come from."""

    @property
    def words(self) -> str:
        """For people: what is classified."""

    def request(self, folder: Path) -> dict[str, Any]:
        """What `digits.inference.evaluate` is told; `folder` is the job's, for files of it."""


@dataclass(frozen=True)
class ListSource:
    """An uploaded list; its relative paths start at `folder`."""

    name: str
    stream: IO[bytes]
    folder: str

    @property
    def words(self) -> str:
        return self.name

    def request(self, folder: Path) -> dict[str, Any]:
        keep_stream(self.stream, folder / LIST_FILE)
        return {"list": LIST_FILE, "folder": self.folder}


@dataclass(frozen=True)
class FolderSource:
    """All pictures below a folder of the server."""

    path: str

    @property
    def words(self) -> str:
        return self.path

    def request(self, folder: Path) -> dict[str, Any]:
        return {"folder": self.path}


@dataclass(frozen=True)
class DatabaseSource:
    """The `train`, `val` or `test` database of the dataset, which has `count` pictures."""

    split: str
    path: Path
    backend: str
    count: int

    @property
    def words(self) -> str:
        return set_title(self.split)

    def request(self, folder: Path) -> dict[str, Any]:
        return {"database": str(self.path), "backend": self.backend, "count": self.count}


@dataclass(frozen=True)
class AnswersSource:
    """What a network has answered already, picture by picture, to a browser."""

    words: str
    stream: IO[bytes]
    labels: Sequence[str]

    def request(self, folder: Path) -> dict[str, Any]:
        keep_stream(self.stream, folder / ANSWERS_FILE)
        return {"answers": ANSWERS_FILE, "labels": list(self.labels)}


@dataclass(frozen=True)
class EvaluationRequest:
    """What the user `owner` wants classified, with which weights; `limit` None: all pictures.

    `group` is the one that the job shall belong to.
    """

    model: ModelJob
    epoch: float | int
    network: Network
    source: EvaluationSource
    limit: int | None
    top_n: int
    owner: str = ""
    group: str = ""


def create_evaluation(
    scheduler: Scheduler, config: Config, paths: PathPolicy, request: EvaluationRequest
) -> Job:
    """Put the job into the queue; it may read what `paths` allows now.  Raises StorageError."""
    settings = EvaluationSettings(
        model=request.model.id,
        model_name=request.model.name,
        epoch=request.epoch,
        source=request.source.words,
        limit=request.limit,
        top_n=request.top_n,
    )

    def fill(job: Job) -> None:
        written = {
            "network": to_json(request.network),
            "source": request.source.request(job.dir),
            "limit": request.limit,
            "top_n": request.top_n,
            "data_roots": [str(root) for root in paths.roots],
            "jobs_dir": str(config.jobs_dir.resolve()),
            "timeout_s": config.inference_timeout_s,
            "memory_mb": config.inference_memory_mb,
        }
        job.write_text(REQUEST_FILE, json.dumps(written, indent=1))

    name = f"{request.source.words} by {request.model.name}"
    return scheduler.add_job(
        ImageClassificationEvaluationJob,
        name,
        settings,
        fill,
        owner=request.owner,
        group=request.group,
    )
