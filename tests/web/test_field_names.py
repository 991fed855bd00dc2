"""Fields that nobody reads, and fields of later versions of DIGITS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.web import earlier_fields
from tests.apps import running_app

DATASETS = "/datasets/images/classification.json"
MODELS = "/models/images/classification.json"
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One for all tests: none of them makes anything."""
    with running_app(tmp_path_factory.mktemp("fields") / "jobs") as app:
        yield app


def refused(answer: Any) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    return {name: " ".join(texts) for name, texts in answer.json["errors"].items()}


@pytest.mark.parametrize(
    ("route", "field", "near"),
    [
        (DATASETS, "resize_widht", "resize_width"),
        (DATASETS, "datasetname", "dataset_name"),
        (DATASETS, "textfile_labels", "textfile_labels_file"),
        (MODELS, "learning_rat", "learning_rate"),
        (MODELS, "epochs", "train_epochs"),
        (MODELS, "train_epoch", "train_epochs"),
        (MODELS, "LEARNING_RATE", "learning_rate"),
        (MODELS, "colour", ""),
        (MODELS, "standard_network", "standard_networks"),
        ("/datasets/images/resize-example", "resizemode", "resize_mode"),
        ("/models/visualize-lr", "lr_polcy", "lr_policy"),
        ("/models/visualize-network", "custom_net", "custom_network"),
        ("/models/customize?network=lenet", "snapshot", "snapshot_epoch"),
        ("/jobs/delete.json", "id", "ids"),
        ("/datasets/sample.json", "dataset_name", ""),
    ],
)
def test_a_script_is_told_of_a_field_that_is_not_there(
    client: FlaskClient, route: str, field: str, near: str
) -> None:
    # It was ignored, so that the job was another one than the script asked for.
    for request in ({"data": {field: "4"}}, {"json": {field: 4}}):
        message = refused(client.post(route, headers=JSON, **request))[field]
        assert f"There is no field {field!r} here." in message
        assert (f"Did you mean {near}" in message) if near else ("Did you mean" not in message)


def test_browsers_forms_may_carry_more_than_is_read(client: FlaskClient) -> None:
    page = client.post("/datasets/images/resize-example", data={"button": "Try it"})
    assert page.status_code == 200


def test_what_forms_carry_beside_their_fields_is_left_alone(client: FlaskClient) -> None:
    data = {"csrf_token": "x", "submit": "Create", "20150421-140640-d697a1-snapshot": "3"}
    assert not refused(client.post(MODELS, data=data)).keys() & data.keys()


def test_an_answer_names_a_few_of_many_unknown_fields(client: FlaskClient) -> None:
    body = {f"{'x' * 200}{number}": "1" for number in range(500)}
    found = refused(client.post(DATASETS, json=body))
    assert all(len(name) <= 80 for name in found)
    assert len(found) < 20


# What the forms of DIGITS 2 to 6 send when nothing of it is asked for.
OFF = [
    ("framework", ["caffe", "Caffe", ""]),
    ("shuffle", ["true", "false", "y", ""]),
    ("traces_interval", ["0", ""]),
    ("python_layer_from_client", ["", "n", "False"]),
    ("python_layer_server_file", [""]),
    ("python_layer_client_file", [""]),
    ("compression", ["none", ""]),
    ("s3_bucket", [""]),
    ("s3_pct_val", ["25"]),
    ("s3_train_min_per_class", ["2"]),
    ("s3_keepcopiesondisk", ["n"]),
    ("dont_resize", ["n", ""]),
]
ON = [
    ("framework", ["torch", "tensorflow"]),
    ("shuffle", ["maybe"]),
    ("traces_interval", ["10"]),
    ("python_layer_from_client", ["y", "maybe"]),
    ("python_layer_server_file", ["/layer.py"]),
    ("compression", ["gzip"]),
    ("s3_bucket", ["mine"]),
    ("dont_resize", ["1"]),
]


@pytest.mark.parametrize(("field", "values"), OFF)
def test_fields_that_are_not_built_may_say_that_they_are_off(
    client: FlaskClient, field: str, values: list[str]
) -> None:
    for value in values:
        for route in (DATASETS, MODELS):
            assert field not in refused(client.post(route, data={field: value}))


@pytest.mark.parametrize(("field", "values"), ON)
def test_fields_that_are_not_built_are_refused_when_they_ask_for_something(
    client: FlaskClient, field: str, values: list[str]
) -> None:
    for value in values:
        for route in (DATASETS, MODELS):
            message = refused(client.post(route, data={field: value}))[field]
            assert "is not built" in message
            assert repr(value) in message


def test_no_field_that_is_built_stands_among_those_that_are_not(app: Flask) -> None:
    kinds = app.extensions["digits"].kinds
    with app.test_request_context():
        forms = [kind.form(meta={"csrf": False}) for kind in kinds if kind.form]
        built = {field.name for form in forms for field in form}
    assert not built & earlier_fields.NOT_BUILT.keys()
