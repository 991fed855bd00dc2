"""Requests that many tests of models send."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from digits.jobs.job import Job
from tests.conftest import wait_until

ROUTE = "/models/images/classification.json"

# One InnerProduct: it learns the grey levels of the pictures in a few iterations.
TINY = """name: "Tiny"
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  convolution_param { num_output: 4 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } }
}
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "conv"
  top: "ip"
  inner_product_param { num_output: 1 weight_filler { type: "xavier" } }
}
layer {
  name: "accuracy"
  type: "Accuracy"
  bottom: "ip"
  bottom: "label"
  top: "accuracy"
  include { phase: TEST }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def dataset_form(pictures: Path, **fields: str) -> dict[str, str]:
    """The form of a dataset of 16x16 grey pictures."""
    return {
        "dataset_name": "Grey levels",
        "folder_train": str(pictures),
        "resize_channels": "1",
        "resize_width": "16",
        "resize_height": "16",
        "seed": "1",
        **fields,
    }


def create(client: FlaskClient, dataset_id: str, **fields: Any) -> Any:
    """Send the form of a model; a field that is None is left out."""
    form = {"model_name": "A model", "dataset": dataset_id, "standard_networks": "lenet", **fields}
    return client.post(ROUTE, data={k: v for k, v in form.items() if v is not None})


def errors(answer: Any) -> dict[str, str]:
    """The messages of a form that was refused, by field."""
    assert answer.status_code == 400, answer.text
    return {field: " ".join(texts) for field, texts in answer.json["errors"].items()}


def token(client: FlaskClient) -> str:
    """The token that the form's page carries, as a browser would send it back."""
    page = client.get("/models/images/classification/new").text
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found
    return found[1]


def copy_finished(job: Job, jobs_dir: Path) -> None:
    """Copy the folder of a job that is done into another jobs directory."""

    def is_written() -> bool:
        return json.loads((job.dir / "job.json").read_text())["history"][-1][0] == "Done"

    wait_until(is_written)
    # The file that is written before it takes its name may go meanwhile.
    shutil.copytree(job.dir, jobs_dir / job.id, ignore=shutil.ignore_patterns("*.part"))
