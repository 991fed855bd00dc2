"""All settings of a job in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from digits.dataset.images.classification.forms import ImageClassificationDatasetForm
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.home.settings_table import Setting, settings_table
from digits.model.images.classification.forms import ImageClassificationModelForm
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.apps import running_app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with running_app(tmp_path / "jobs") as app, app.test_request_context():
        yield app


def by_name(rows: list[Setting]) -> dict[str, Setting]:
    return {row.name: row for row in rows}


@pytest.mark.usefixtures("app")
def test_values_are_written_as_the_form_says_them_and_defaults_are_known(tmp_path: Path) -> None:
    form = ImageClassificationDatasetForm(formdata=None, meta={"csrf": False})
    settings = replace(form.settings(), resize_width=28, seed=7)
    rows = by_name(settings_table(ImageClassificationDatasetJob(tmp_path, "One", settings)))
    assert rows.keys() == settings.to_json().keys()
    assert rows["resize_width"] == Setting("resize_width", "Width", "28", False)
    assert rows["resize_height"].is_default
    assert rows["textfile_shuffle"].value == "yes"
    assert rows["resize_channels"].value == "Color"
    assert not rows["seed"].is_default


@pytest.mark.usefixtures("app")
def test_a_dataset_form_that_is_left_as_it_is_asks_for_the_defaults_of_the_settings() -> None:
    form = ImageClassificationDatasetForm(formdata=None, meta={"csrf": False})
    assert form.settings() == ImageClassificationDatasetSettings()


@pytest.mark.usefixtures("app")
def test_a_models_settings_are_all_there_with_names_that_tell_them_apart(tmp_path: Path) -> None:
    form = ImageClassificationModelForm(formdata=None, meta={"csrf": False})
    form.offer([], {}, [])
    settings = replace(form.settings(), dataset="x", weights_report={}, lr_step_gamma=0.5)
    rows = by_name(settings_table(ImageClassificationModelJob(tmp_path, "One", settings)))
    assert rows.keys() == settings.to_json().keys() - {"weights_report"}
    titles = [row.title for row in rows.values()]
    assert len(titles) == len(set(titles))
    assert rows["lr_multistep_values"].is_default
    assert rows["lr_multistep_values"].value == "50.0, 85.0"
    assert rows["lr_step_gamma"].is_default is False
    assert rows["solver_type"].value == "Stochastic gradient descent (SGD)"
    assert rows["use_gpu"] == Setting("use_gpu", "Trained on a GPU", "no", None)
