"""Jobs whose numbers are nan or infinite: their JSON is strict, and their pages say so in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.inference import ClassifiedPicture, Prediction
from digits.inference.best import BestOfClasses
from digits.inference.evaluation import EvaluationWriter
from tests.apps import running_app
from tests.security.test_job_files import put, real_jobs

LOG = """\
I1130 06:45:41.564747 15815 caffe.cpp:197] Use CPU.
I1130 06:45:41.865365 15815 solver.cpp:347] Iteration 0, Testing net (#0)
I1130 06:45:41.878632 15815 solver.cpp:414]     Test net output #0: accuracy = inf
I1130 06:45:41.878733 15815 solver.cpp:414]     Test net output #1: loss = -nan (* 1 = -nan loss)
I1130 06:45:41.905004 15815 solver.cpp:239] Iteration 0 (0 iter/s, 0.01s/1 iters), loss = nan
I1130 06:45:41.905105 15815 solver.cpp:258]     Train net output #0: loss = nan (* 1 = nan loss)
I1130 06:45:41.905206 15815 sgd_solver.cpp:105] Iteration 0, lr = inf
I1130 06:45:42.905004 15815 solver.cpp:239] Iteration 1 (inf iter/s, 0s/1 iters), loss = 1e+39
I1130 06:45:42.905105 15815 solver.cpp:258]     Train net output #0: loss = inf (* 1 = inf loss)
I1130 06:45:42.905206 15815 sgd_solver.cpp:105] Iteration 1, lr = nan
"""
PLAN = {
    "max_iter": 9, "epoch_iterations": 3, "train_images": 27, "train_batch_size": 9,
    "val_images": 9, "val_batch_size": 9, "accuracies": ["accuracy"], "main_accuracy": "accuracy",
    "main_loss": "loss", "output": "prob", "batch_accumulation": 1,
}  # fmt: skip
EVALUATIONS = "/models/images/classification/evaluations"
ADDRESSES = [
    "/", "/index.json?details=yes", "/completed_jobs.json", "/jobs/{model}/table_data.json",
    "/models/{model}", "/models/{model}.json", "/models/{model}/history.json",
    "/models/compare?ids={model},{other}", "/models/compare.json?ids={model},{other}",
    "/models/images/classification/large_graph?job_id={model}", "/jobs/{model}/status",
    "/models/images/classification/new?clone={model}", "/metrics",
    f"{EVALUATIONS}/{{evaluation}}", f"{EVALUATIONS}/{{evaluation}}.json",
    f"{EVALUATIONS}/{{evaluation}}?sort=confidence&threshold=50",
    f"{EVALUATIONS}/{{evaluation}}/classifications.json",
    f"{EVALUATIONS}/{{evaluation}}/top_n", f"{EVALUATIONS}/{{evaluation}}/top_n.json",
    f"{EVALUATIONS}/{{evaluation}}/pictures/0", f"{EVALUATIONS}/{{evaluation}}/pictures/0.json",
    f"{EVALUATIONS}/{{evaluation}}/compare/{{evaluation}}",
    f"{EVALUATIONS}/{{evaluation}}/compare/{{evaluation}}.json",
]  # fmt: skip


@dataclass(frozen=True)
class Diverged:
    """A model and an evaluation without one finite number."""

    client: FlaskClient
    model: str
    other: str
    evaluation: str

    def get(self, address: str) -> Any:
        return self.client.get(
            address.format(model=self.model, other=self.other, evaluation=self.evaluation)
        )


@pytest.fixture(params=[True, False], ids=["probabilities", "scores"], scope="module")
def diverged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Diverged]:
    jobs_dir = tmp_path_factory.mktemp("diverged") / "jobs"
    _, model, evaluation = (record["id"] for record in real_jobs(jobs_dir))
    (jobs_dir / model / "caffe_output.log").write_text(LOG)
    (jobs_dir / model / "training.json").write_text(json.dumps(PLAN))
    (jobs_dir / model / "original.prototxt").write_text('layer { name: "a" type: "ReLU" }')
    other = put(jobs_dir, 1, json.loads((jobs_dir / model / "job.json").read_text()))
    for name in ("caffe_output.log", "training.json"):
        (jobs_dir / other / name).write_bytes((jobs_dir / model / name).read_bytes())
    (jobs_dir / evaluation / "request.json").write_text('{"source": {}}')
    best = BestOfClasses(2, 3)
    with EvaluationWriter(jobs_dir / evaluation, ["cat", "dog"], request.param) as writer:
        for number, value in enumerate((float("nan"), float("inf"), float("-inf"))):
            answers = (Prediction("cat", 0, value), Prediction("dog", 1, value))
            writer.add(f"{number}.png", number % 2, ClassifiedPicture(number, answers), "")
        writer.flush()
        writer.write_end(best)
    with running_app(jobs_dir) as app:
        yield Diverged(app.test_client(), model, other, evaluation)


def strict(text: str) -> Any:
    """What a parser reads that takes no NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("address", ADDRESSES)
def test_json_is_strict_and_pages_hold_no_nan(diverged: Diverged, address: str) -> None:
    answer = diverged.get(address)
    assert answer.status_code == 200, answer.text
    if answer.is_json:
        strict(answer.text)
        return
    for embedded in re.findall(
        r'<script type="application/json"[^>]*>(.*?)</script>', answer.text, re.S
    ):
        strict(embedded)
    # What scripts of the page read may be nan.
    words = re.sub(r' data-[\w-]+="[^"]*"', "", re.sub(r"\s+", " ", answer.text))
    found = re.findall(r".{30}\b(?:nan|inf)\b.{9}", words, re.I)
    assert address == "/metrics" or found == []


def test_pages_say_what_is_no_number(diverged: Diverged) -> None:
    page = diverged.get(f"{EVALUATIONS}/{{evaluation}}").text
    assert "not a number" in page
    assert "infinite" in page


def test_numbers_are_null_in_json(diverged: Diverged) -> None:
    rows = diverged.get(f"{EVALUATIONS}/{{evaluation}}/classifications.json").json
    assert rows["classifications"]["0.png"] == [["cat", None], ["dog", None]]
    history = diverged.get("/models/{model}/history.json").json
    assert history["train"]["outputs"]["loss"] == [None, None]
