"""Make datasets over the form's routes, and look into what was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.proto import caffe_pb2
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.status import Status
from tests.conftest import wait_for_status

ROUTE = "/datasets/images/classification.json"
SIZE = {"resize_width": "12", "resize_height": "10"}


def post(client: FlaskClient, path: str = ROUTE, **fields: Any) -> Any:
    """Send the form; a field that is empty is left out."""
    form = {"dataset_name": "Set", **SIZE, **fields}
    return client.post(path, data={name: value for name, value in form.items() if value != ""})


def made(app: Flask, answer: Any) -> ImageClassificationDatasetJob:
    """The finished job that an answer names."""
    assert answer.status_code == 200, answer.text
    scheduler = app.extensions["digits"].scheduler
    wait_for_status(scheduler, answer.json["id"], Status.DONE, Status.ERROR)
    job = scheduler.job(answer.json["id"])
    assert isinstance(job, ImageClassificationDatasetJob)
    return job


def records(database: Path) -> dict[bytes, caffe_pb2.Datum]:
    """The records of an LMDB by their keys."""
    with lmdb.open(str(database), readonly=True, lock=False) as db, db.begin() as transaction:
        return {
            bytes(key): caffe_pb2.Datum.FromString(bytes(value))
            for key, value in transaction.cursor()
        }
