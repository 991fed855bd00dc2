"""Input that no person would send: it is refused with a message, and nothing runs on behind it."""

from __future__ import annotations

import json
from typing import Any

import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError
from digits.inference import parse_net
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.creation import create_model
from digits.model.images.classification.forms import ImageClassificationModelForm
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.model.requests import ROUTE, TINY, create, errors
from tests.model.workers import stray_workers

HUGE = "9" * 2_000_000
# What is no value of any field.  Python's JSON has nan, and numbers of any length.
WRONG_TYPES: list[Any] = [
    None,
    True,
    {"a": 1},
    [],
    [[1], [2]],
    10**400,
    float("nan"),
    float("-inf"),
    HUGE,
]


def field_names(app: Flask) -> list[str]:
    with app.test_request_context():
        return [field.name for field in ImageClassificationModelForm()]


def test_no_type_of_value_breaks_a_field(
    app: Flask, client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    for name in field_names(app):
        for value in WRONG_TYPES:
            # Without a name, so that no job is made of what is good.
            body = {"dataset": dataset.id, "method": "custom", "custom_network": TINY, name: value}
            if name == "model_name":
                body["train_epochs"] = 0
            answer = client.post(ROUTE, json=body)
            assert answer.status_code == 400, (name, str(value)[:20], answer.text)
            assert len(answer.text) < 2000, (name, str(value)[:20])


@pytest.mark.parametrize("body", ['{"model_name": ' + "[" * 100_000, '{"a":' * 100_000])
def test_a_json_body_that_is_nested_without_end_is_refused(client: FlaskClient, body: str) -> None:
    # Parsing it was once an error inside DIGITS.
    closed = body + "1" + "]" * body.count("[") + "}" * body.count("{")
    for text in (body, closed):
        answer = client.post(ROUTE, data=text, content_type="application/json")
        assert "json" in errors(answer)


@pytest.mark.usefixtures("would_start")
def test_fields_of_other_methods_are_not_kept(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    # Two megabytes of them once went into the job's file.
    answer = create(
        client,
        dataset.id,
        method="custom",
        custom_network=TINY,
        train_epochs="1",
        previous_networks=HUGE,
    )
    assert answer.status_code == 200, answer.text
    assert "999" not in json.dumps(models.job(answer.json["id"]).settings.to_json())


def convolutions(count: int, last: str) -> str:
    """A chain of convolutions, each a pixel wide, and a last layer."""
    layers = [
        f'layer {{ name: "c{i}" type: "Convolution" bottom: "{f"c{i - 1}" if i else "data"}" '
        f'top: "c{i}" convolution_param {{ num_output: 2 kernel_size: 1 }} }}\n'
        for i in range(count)
    ]
    return "".join(layers) + TINY.replace('bottom: "data"', f'bottom: "c{count - 1}"') + last


TOO_LARGE_KERNEL = """
layer { name: "z" type: "Convolution" bottom: "c0" top: "z"
        convolution_param { num_output: 1 kernel_size: 50 } }
"""


def test_hundreds_of_layers_are_checked_to_the_last(
    app: Flask, client: FlaskClient, dataset: ImageClassificationDatasetJob, others: set[int]
) -> None:
    network = convolutions(500, TOO_LARGE_KERNEL)
    answer = create(client, dataset.id, method="custom", custom_network=network)
    assert "'z'" in errors(answer)["custom_network"]
    assert stray_workers(app, others) == []


@pytest.mark.slow
def test_a_check_that_takes_too_long_is_refused_and_its_process_ended(
    app: Flask,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    others: set[int],
) -> None:
    pool = app.extensions["digits"].pool
    parse_net(pool, 'layer { name: "a" }')
    [checking] = [state.pid for state in pool.states() if state.network is None]
    before = {job.id for job in models.jobs}
    network = convolutions(500, "")
    with pytest.raises(FormError, match="could not be built within 0.01 s") as error:
        create_model(models, pool, "Slow", trained.settings, network, "", check_s=0.01)
    assert list(error.value.errors) == ["custom_network"]
    assert {job.id for job in models.jobs} == before
    assert not psutil.pid_exists(checking)
    assert stray_workers(app, others) == []


def test_a_drawing_that_is_refused_leaves_nothing_behind(
    app: Flask, client: FlaskClient, others: set[int]
) -> None:
    for network in ("layer { include { " * 50_000, "layer { }\n" * 10_000, "#" * 1_100_000):
        answer = client.post(
            "/models/visualize-network",
            data={"custom_network": network},
            headers={"Accept": "application/json"},
        )
        assert "custom_network" in errors(answer)
    assert stray_workers(app, others) == []
