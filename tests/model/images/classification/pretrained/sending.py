"""Requests for pretrained models as tests send them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.pretrained.job import PretrainedModelJob

ROUTE = "/pretrained_models/new.json"
CARD = {
    "card_source": "https://example.org/tiny",
    "card_licence": "CC BY 4.0",
    "card_data": "Grey levels",
    "card_limits": "Tells grey from grey, and nothing else.",
}


def upload(content: bytes, name: str) -> FileStorage:
    return FileStorage(io.BytesIO(content), filename=name)


def post(client: FlaskClient, fields: dict[str, Any], route: str = ROUTE) -> Any:
    """Send a form; of a large one the client would leave a file open."""
    boundary, body = encode_multipart(fields)
    content_type = f"multipart/form-data; boundary={boundary}"
    return client.post(route, data=body, content_type=content_type)


def fields_of(trained: ImageClassificationModelJob, **others: Any) -> dict[str, Any]:
    """The form of a pretrained model with the weights of a trained one; None: without it."""
    weights = list(trained.snapshots().values())[-1]
    given = {
        "job_name": "Tiny weights",
        "weights_file": upload(weights.read_bytes(), "tiny.caffemodel"),
        "model_def_file": upload(trained.network_text().encode(), "tiny.prototxt"),
        "labels_file": upload(trained.pictures.labels_path.read_bytes(), "labels.txt"),
        "framework": "caffe",
        "image_type": "1",
        "resize_mode": "Squash",
        "width": "16",
        "height": "16",
        **others,
    }
    return {name: value for name, value in given.items() if value is not None}


def pretrained(
    client: FlaskClient, models: Scheduler, fields: dict[str, Any]
) -> PretrainedModelJob:
    """The job that the form makes."""
    answer = post(client, fields)
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, PretrainedModelJob)
    return job


def listed(client: FlaskClient) -> list[str]:
    """The ids of the home page's list, as JSON."""
    return [each["id"] for each in client.get("/index.json").json["pretrained_models"]]


def snapshot_of(job: ImageClassificationModelJob) -> Path:
    """Its last weights."""
    return list(job.snapshots().values())[-1]
