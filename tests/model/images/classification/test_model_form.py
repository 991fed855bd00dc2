"""The form of a new model: what each field takes, and what it says to what it does not take."""

from __future__ import annotations

import html
import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.model.forms import parse_percents
from digits.model.images.classification import forms
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.images.classification.views import offered
from tests.model.requests import ROUTE, TINY, create, errors, token

DEFAULTS = {
    "method": "standard",
    "standard_networks": "alexnet",
    "train_epochs": 30,
    "snapshot_interval": 1,
    "val_interval": 1,
    "random_seed": None,
    "batch_size": None,
    "solver_type": "SGD",
    "learning_rate": 0.01,
    "lr_policy": "step",
    "lr_step_size": 33,
    "lr_step_gamma": 0.1,
    "lr_multistep_values": (50.0, 85.0),
    "lr_multistep_gamma": 0.5,
    "lr_exp_gamma": 0.95,
    "lr_inv_gamma": 0.1,
    "lr_inv_power": 0.5,
    "lr_poly_power": 3,
    "lr_sigmoid_step": 50,
    "lr_sigmoid_gamma": 0.1,
    "crop_size": None,
    "use_mean": True,
    "mean_value": (),
    "scale": None,
    "mirror": "",
    "select_gpu": "next",
    "select_gpu_count": None,
}


def test_defaults_are_the_promised_ones(app: Flask) -> None:
    with app.test_request_context():
        form = forms.ImageClassificationModelForm()
        assert {name: form[name].data for name in DEFAULTS} == DEFAULTS


def test_the_form_has_the_title_that_scripts_look_for(client: FlaskClient) -> None:
    page = client.get("/models/images/classification/new").text
    assert "<title>New Image Classification Model ·" in page
    assert "<h1>New Image Classification Model</h1>" in page


def test_a_form_that_is_left_as_it_is_asks_for_the_defaults_of_the_settings(app: Flask) -> None:
    with app.test_request_context():
        form = forms.ImageClassificationModelForm()
        form.offer([], {}, [])
        asked = replace(form.settings(), dataset="")
    # Of methods that were not chosen nothing is asked.
    assert (asked.previous_networks, asked.custom_network_snapshot) == ("", "")
    asked = replace(asked, previous_networks=None, custom_network_snapshot=None)
    assert asked == ImageClassificationModelSettings(dataset="")


def test_every_field_is_explained(app: Flask) -> None:
    # What is chosen by tabs, or has its name as explanation enough.
    clear = {"csrf_token", "method", "standard_networks", "previous_networks"}
    with app.test_request_context():
        form = forms.ImageClassificationModelForm()
        assert [f.name for f in form if not f.description and f.name not in clear] == []


# Field, value, and a part of the message.
BAD_VALUES = [
    ("model_name", "", "is empty"),
    ("model_name", "   ", "is empty"),
    ("model_name", "x" * 501, "more than 500"),
    ("dataset", "", "Choose a dataset"),
    ("dataset", "20150421-140640-d697aa", "no dataset '20150421-140640-d697aa'"),
    ("method", "magic", "not a choice"),
    ("standard_networks", "resnet", "not a choice"),
    ("train_epochs", "", "Enter a number"),
    ("train_epochs", "0", "at least 1"),
    ("train_epochs", "-3", "at least 1"),
    ("train_epochs", "1.5", "not a whole number"),
    ("train_epochs", "nan", "not a whole number"),
    ("train_epochs", "9" * 30, "too large"),
    ("train_epochs", "many", "not a whole number"),
    ("snapshot_interval", "", "Enter a number"),
    ("snapshot_interval", "-1", "at least 0"),
    ("snapshot_interval", "nan", "not a finite number"),
    ("snapshot_interval", "1e300", "too large"),
    ("val_interval", "inf", "not a finite number"),
    ("val_interval", "-0.5", "at least 0"),
    ("random_seed", "-1", "at least 0"),
    ("random_seed", "4294967296", "too large"),
    ("random_seed", "x", "not a whole number"),
    ("batch_size", "0", "at least 1"),
    ("batch_size", "1000000000", "at most 100000"),
    ("batch_size", "ten", "not a whole number"),
    ("solver_type", "NEWTON", "not a choice"),
    ("learning_rate", "", "Enter a number"),
    ("learning_rate", "0", "above 0"),
    ("learning_rate", "-0.01", "above 0"),
    ("learning_rate", "nan", "not a finite number"),
    ("learning_rate", "1e9", "at most"),
    ("learning_rate", "0,01", "not a number"),
    ("lr_policy", "triangle", "not a choice"),
    ("lr_step_size", "0", "above 0"),
    ("lr_step_size", "101", "at most 100"),
    ("lr_step_gamma", "-1", "above 0"),
    ("crop_size", "0", "at least 1"),
    ("crop_size", "17", "larger than the dataset's pictures (16x16)"),
    ("crop_size", "big", "not a whole number"),
    ("mean_value", "x", "not a number"),
    ("mean_value", "nan", "not between"),
    ("mean_value", "1e9", "not between"),
    ("mean_value", "1,,2", "not a number"),
    ("mean_value", "1,2,3,4", "at most 3"),
    ("mean_value", "1,2,3", "do not fit pictures with 1 channels"),
    ("scale", "0", "above 0"),
    ("scale", "-1", "above 0"),
    ("scale", "inf", "not a finite number"),
    ("scale", "1e9", "at most"),
    ("scale", "half", "not a number"),
    ("mirror", "sometimes", "not a choice"),
    ("select_gpu", "7", "no GPU '7'. The server has: none"),
    ("select_gpus", "x", "no GPU 'x'"),
    ("select_gpu_count", "2", "has 0 GPUs"),
    ("select_gpu_count", "-1", "at least 1"),
]


@pytest.mark.parametrize(("field", "value", "message"), BAD_VALUES)
def test_bad_values_are_refused_at_their_field(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    field: str,
    value: str,
    message: str,
) -> None:
    before = set(models.store.jobs_dir.iterdir())
    answer = create(client, dataset.id, **{field: value})
    assert list(errors(answer)) == [field]
    assert message in errors(answer)[field]
    assert set(models.store.jobs_dir.iterdir()) == before  # nothing half-made is left


POLICY_VALUES = [
    ("multistep", "lr_multistep_values", "", "at least one step"),
    ("multistep", "lr_multistep_values", "50,50", "must increase"),
    ("multistep", "lr_multistep_values", "50,x", "'x' is not a number"),
    ("multistep", "lr_multistep_values", "0,50", "not a percentage"),
    ("multistep", "lr_multistep_values", "50,nan", "not a percentage"),
    ("multistep", "lr_multistep_values", ",".join(["1"] * 101), "too many"),
    ("multistep", "lr_multistep_gamma", "0", "above 0"),
    ("exp", "lr_exp_gamma", "-0.5", "above 0"),
    ("exp", "lr_exp_gamma", "99", "becomes infinite"),
    ("inv", "lr_inv_gamma", "x", "not a number"),
    ("inv", "lr_inv_power", "-1", "at least 0"),
    ("poly", "lr_poly_power", "101", "at most 100"),
    ("sigmoid", "lr_sigmoid_step", "0", "above 0"),
    ("sigmoid", "lr_sigmoid_gamma", "inf", "not a finite number"),
]


@pytest.mark.parametrize(("policy", "field", "value", "message"), POLICY_VALUES)
def test_a_policys_fields_are_checked_in_the_form_and_in_its_preview(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    policy: str,
    field: str,
    value: str,
    message: str,
) -> None:
    answer = create(client, dataset.id, lr_policy=policy, **{field: value})
    assert message in errors(answer)[field]
    form = {"learning_rate": "0.01", "lr_policy": policy, field: value}
    assert message in errors(client.post("/models/visualize-lr", data=form))[field]


def test_fields_of_other_policies_are_not_looked_at(client: FlaskClient) -> None:
    form = {"lr_policy": "exp", "lr_step_size": "junk", "lr_multistep_values": "9,1"}
    answer = client.post("/models/visualize-lr", data=form)
    assert answer.status_code == 200
    [column] = answer.json["data"]["columns"]
    assert column[0] == "Learning Rate"
    assert len(column) == 102


@pytest.mark.parametrize("value", ["", "x" * 100, "9" * 400, "\x00", "1e", "٣"])
@pytest.mark.parametrize(
    "field",
    [
        name
        for name, _ in inspect.getmembers(forms.ImageClassificationModelForm)
        if name.startswith(
            ("lr_", "train", "snap", "val_", "rand", "batch", "crop", "select", "cus")
            + ("mean", "scale", "mirror")
        )
    ],
)
def test_no_value_of_any_field_breaks_the_form(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, field: str, value: str
) -> None:
    # No name, so that no job is made of what is good.  What is no text is refused before all else.
    answer = create(client, dataset.id, model_name="", **{field: value})
    assert errors(answer).keys() & {"model_name", field}


def test_what_was_typed_survives_an_error(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    form = {
        "csrf_token": token(client),
        "model_name": "",
        "dataset": dataset.id,
        "method": "custom",
        "custom_network": TINY,
        "learning_rate": "0.0123",
        "lr_multistep_values": "10,20,oops",
        "lr_policy": "multistep",
    }
    answer = client.post("/models/images/classification", data=form)
    assert answer.status_code == 400
    for typed in ("0.0123", "10,20,oops", "&#34;Tiny&#34;", "The name is empty"):
        assert typed in answer.text


@pytest.mark.parametrize("epoch", [0, 2, 4])
def test_the_chosen_snapshot_survives_an_error(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    epoch: int,
) -> None:
    # The last one was once chosen again.
    form = {
        "csrf_token": token(client),
        "model_name": "",
        "dataset": dataset.id,
        "method": "previous",
        "previous_networks": trained.id,
        f"{trained.id}-snapshot": str(epoch),
    }
    page = client.post("/models/images/classification", data=form).text
    [choices] = re.findall(rf'name="{trained.id}-snapshot".*?</select>', page, re.DOTALL)
    assert re.findall(r'value="(\d+)" selected', choices) == [str(epoch)]


def test_the_form_offers_datasets_and_models(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    page = client.get(f"/models/images/classification/new?dataset={dataset.id}").text
    assert f'value="{dataset.id}"' in page
    assert f'name="{trained.id}-snapshot"' in page
    assert "Epoch #4" in page


def test_the_form_offers_the_standard_networks_by_name(client: FlaskClient) -> None:
    # They were once sent without their values, so that a browser could choose none of them.
    page = client.get("/models/images/classification/new").text
    box = r'name="standard_networks"\s+value="([\w-]*)"\s*(?:data-own-input)?\s*(checked)?>([\w-]+)'
    offered = re.findall(box, page)
    assert [(value, name) for value, _, name in offered] == [
        ("lenet", "LeNet"),
        ("alexnet", "AlexNet"),
        ("googlenet", "GoogLeNet"),
        ("efficientnet-lite0", "EfficientNet-Lite0"),
    ]
    # One that suits the newest dataset.
    assert [checked for _, checked, _ in offered].count("checked") == 1


def test_a_clone_has_the_settings_and_the_network(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    page = client.get(f"/models/images/classification/new?clone={trained.id}").text
    assert "Tiny model copy" in page
    assert "&#34;Tiny&#34;" in page
    assert client.get("/models/images/classification/new?clone=nothing").status_code == 404


def test_the_newest_jobs_are_offered_and_the_chosen_one_however_old(
    dataset: ImageClassificationDatasetJob, trained: ImageClassificationModelJob
) -> None:
    # With five thousand models the form once weighed five megabytes.
    jobs = [trained, dataset]
    assert offered(jobs, None, most=1) == [trained]
    assert offered(jobs, dataset.id, most=1) == [trained, dataset]
    assert offered(jobs, trained.id, most=1) == [trained]


def test_a_models_page_leads_to_training_on_its_network(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    page = client.get(f"/models/{trained.id}").text
    address = re.search(r'href="([^"]*previous_networks=[^"]*)"', page)
    assert address is not None
    form = client.get(html.unescape(address[1])).text
    assert re.search(rf'name="previous_networks"\s+value="{trained.id}"\s+checked', form)
    assert re.search(r'name="method"\s+value="previous"[^>]*\schecked', form)
    assert f'value="{trained.dataset_id}" selected' in form or (
        f'selected value="{trained.dataset_id}"' in form
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/nonexistent/x.caffemodel", "There is no file"),
        ("relative.caffemodel", "not an absolute path"),
        ("/etc/passwd", "not a .caffemodel file"),
        ("/tmp", "is not a file"),
    ],
)
def test_pretrained_weights_must_be_a_file_of_weights(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, text: str, message: str
) -> None:
    answer = create(
        client, dataset.id, method="custom", custom_network=TINY, custom_network_snapshot=text
    )
    assert message in errors(answer)["custom_network_snapshot"]


def test_a_file_that_holds_no_weights_is_refused(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.caffemodel"
    junk.write_bytes(b"junk" * 100)
    answer = create(
        client, dataset.id, method="custom", custom_network=TINY, custom_network_snapshot=str(junk)
    )
    assert "junk.caffemodel" in errors(answer)["custom_network_snapshot"]


def test_a_json_body_takes_the_same_names(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    body: dict[str, Any] = {"model_name": "x", "dataset": dataset.id, "train_epochs": -1}
    assert "at least 1" in errors(client.post(ROUTE, json=body))["train_epochs"]
    body = {"model_name": "x", "dataset": dataset.id, "lr_policy": "multistep"}
    body["lr_multistep_values"] = [50, 40]
    assert "must increase" in errors(client.post(ROUTE, json=body))["lr_multistep_values"]


def test_percent_lists_are_numbers_that_grow() -> None:
    assert parse_percents("50, 85.5") == (50.0, 85.5)
    assert parse_percents("100") == (100.0,)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("learning_rate=0.5", 'name="learning_rate" step="any" type="number" value="0.5"'),
        ("learning_rate=fast&random_seed=x&train_epochs=9e9&batch_size=", "More options"),
        ("lr_policy=no&solver_type=%00&method=", "More options"),
    ],
)
def test_a_link_fills_in_what_fields_can_take(client: FlaskClient, query: str, shown: str) -> None:
    # A rate in a link was answered with 500.
    answer = client.get(f"/models/images/classification/new?{query}")
    assert answer.status_code == 200
    assert shown in answer.text
