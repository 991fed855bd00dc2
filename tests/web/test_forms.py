"""What all forms share: boxes, JSON values, and what is usual where a field is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from digits.dataset.images.classification.forms import ImageClassificationDatasetForm as Form
from digits.dataset.images.classification.settings import (
    ImageClassificationDatasetSettings as Settings,
)
from digits.web.forms import number_text
from tests.apps import running_app
from tests.web.test_words import NEITHER, NO, YES

ROUTE = "/datasets/images/classification"
BOXES = (
    "has_val_folder",
    "has_test_folder",
    "textfile_use_local_files",
    "textfile_use_val",
    "textfile_use_test",
    "textfile_shuffle",
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One for all tests: none of them makes anything."""
    with running_app(tmp_path_factory.mktemp("forms") / "jobs") as app:
        yield app


def sent(app: Flask, path: str = f"{ROUTE}.json", **request: Any) -> Form:
    with app.test_request_context(path, method="POST", **request):
        form = Form.submitted()
        form.validate()
        return form


@pytest.mark.parametrize("box", BOXES)
def test_a_box_takes_words_for_yes_and_no(app: Flask, box: str) -> None:
    # WTForms takes everything but "false" and nothing for ticked, "False" and "0" among them.
    for words, value in ((YES, True), (NO, False)):
        for word in words:
            form = sent(app, data={box: word})
            assert (form[box].data, form[box].errors) == (value, []), word


@pytest.mark.parametrize("box", BOXES)
def test_a_box_refuses_other_words(app: Flask, box: str) -> None:
    for word in NEITHER:
        for request in ({"data": {box: word}}, {"json": {box: word}}):
            form = sent(app, **request)
            assert f"{word!r} is neither yes nor no" in form.all_errors[box][0]


@pytest.mark.parametrize(("value", "ticked"), [(True, True), (False, False), (1, True), (0, False)])
def test_a_box_takes_true_false_and_numbers_of_json(app: Flask, value: Any, ticked: bool) -> None:
    for box in BOXES:
        form = sent(app, json={box: value})
        assert (form[box].data, form[box].errors) == (ticked, [])


def test_what_a_script_leaves_out_is_as_usual(app: Flask) -> None:
    for request in ({"data": {"dataset_name": "x"}}, {"json": {"textfile_use_val": None}}):
        form = sent(app, **request)
        assert form.textfile_use_val.data is True
        assert form.textfile_shuffle.data is True
        assert form.has_val_folder.data is False


def test_what_a_browsers_form_leaves_out_is_not_ticked(app: Flask) -> None:
    form = sent(app, ROUTE, data={"dataset_name": "x"})
    assert form.textfile_use_val.data is False
    # Also where the page's script sends the form and wants JSON.
    accept = {"Accept": "application/json"}
    form = sent(app, ROUTE, data={"csrf_token": "x"}, headers=accept)
    assert form.textfile_use_val.data is False
    form = sent(app, ROUTE, data={"dataset_name": "x"}, headers=accept)
    assert form.textfile_use_val.data is True


@pytest.mark.parametrize("value", [["a"], ["a", "b"], []])
@pytest.mark.parametrize("field", ["dataset_name", "method", "resize_width", "folder_pct_val"])
def test_a_list_is_not_one_value(app: Flask, field: str, value: list[str]) -> None:
    # The first of them was taken.
    assert "A list was sent" in sent(app, json={field: value}).all_errors[field][0]


@pytest.mark.parametrize(("value", "kind"), [([["a"]], "a list"), ({"a": 1}, "an object")])
def test_lists_in_lists_and_objects_are_no_values(app: Flask, value: Any, kind: str) -> None:
    # The dataset was called ['a'].
    answer = app.test_client().post(f"{ROUTE}.json", json={"dataset_name": value})
    assert answer.status_code == 400
    assert answer.json is not None
    assert kind in answer.json["errors"]["dataset_name"][0]


def test_true_is_no_text_and_false_is_a_field_that_is_not_sent(app: Flask) -> None:
    # A dataset with the name true was called y.
    form = sent(app, json={"dataset_name": True, "resize_width": False})
    assert "true was sent" in form.all_errors["dataset_name"][0]
    assert (form.resize_width.data, form.resize_width.errors) == (256, [])


@pytest.mark.parametrize(
    ("value", "text"),
    [(33.0, "33"), (33, "33"), (0.1, "0.1"), (12.5, "12.5"), (1e-05, "1e-05"), (0.0, "0")],
)
def test_numbers_are_shown_as_people_write_them(app: Flask, value: float, text: str) -> None:
    assert number_text(value) == text
    with app.test_request_context():
        form = Form(formdata=None, data={"folder_pct_val": value}, meta={"csrf": False})
        assert f'value="{text}"' in form.folder_pct_val()


@pytest.mark.parametrize(
    ("values", "is_usual"),
    [
        ({}, True),
        ({"dataset_name": "in front", "resize_width": "28"}, True),
        ({"folder_pct_val": "25", "group_name": "", "seed": ""}, True),
        ({"folder_pct_val": "24"}, False),
        ({"folder_pct_val": "all"}, False),
        ({"has_val_folder": "y"}, False),
        ({"group_name": "mine"}, False),
    ],
)
def test_options_that_were_not_touched_are_as_usual(
    app: Flask, values: dict[str, str], is_usual: bool
) -> None:
    form = sent(app, data={**values, "textfile_shuffle": "y"})
    form.validate()
    assert form.is_usual(Form.MORE) is is_usual


def test_settings_of_a_copy_are_as_usual_where_they_are_the_defaults(app: Flask) -> None:
    with app.test_request_context():
        form = Form(formdata=None, data=Settings().to_json(), meta={"csrf": False})
        assert form.is_usual(Form.MORE)
        form = Form(formdata=None, data=Settings(seed=7).to_json(), meta={"csrf": False})
        assert not form.is_usual(Form.MORE)
