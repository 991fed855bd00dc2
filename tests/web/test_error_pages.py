"""Error answers: a page in the layout that says what to do next, or JSON, for every code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, abort

from digits.errors import FormError, StorageError
from digits.web.error_pages import PAGES
from tests.apps import running_app

CODES = [400, 403, 404, 405, 413, 429, 500, 503, 507]


def raising(settings: Flask) -> Flask:
    """The application with an address that fails with the code in its last part."""

    @settings.get("/fails/<int:code>")
    def fails(code: int) -> str:
        if code == 507:
            raise StorageError("The disk is full.")
        if code == 500:
            raise ZeroDivisionError("a bug")
        abort(code)

    return settings


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with running_app(tmp_path_factory.mktemp("errors") / "jobs") as app:
        app.testing = False  # else a bug is raised into the test
        yield raising(app)


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_what_happened_and_what_to_do(app: Flask, code: int) -> None:
    answer = app.test_client().get(f"/fails/{code}")
    assert answer.status_code == code
    for words in (PAGES[code].title, f"Error {code}", "To the home page", "data-error-message"):
        assert words in answer.text
    assert PAGES[code].advice.split(".")[0].replace("'", "&#39;") in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("code", CODES)
def test_json_has_one_shape(app: Flask, code: int) -> None:
    answer = app.test_client().get(f"/fails/{code}", headers={"Accept": "application/json"})
    assert answer.status_code == code
    assert answer.json is not None
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["message"]


def test_what_a_page_says_of_a_field_names_it_in_words() -> None:
    errors = FormError({"image_url": ["It is none."], "top_n": ["Too large.", "Take 5."]})
    assert errors.words == "Image URL: It is none. Top n: Too large. Take 5."


def test_a_bug_is_told_with_the_address_and_the_time(app: Flask) -> None:
    message = app.test_client().get("/fails/500", headers={"Accept": "application/json"}).json
    assert message is not None
    assert re.fullmatch(r"GET /fails/500 failed at [\d:]+\.", message["error"]["message"])


def test_a_form_that_is_refused_leads_back_to_what_was_typed(app: Flask) -> None:
    assert "Back to the form" in app.test_client().post("/fails/404").text
    assert "Back to the form" not in app.test_client().get("/fails/404").text


def test_a_failed_page_can_be_tried_again(app: Flask) -> None:
    assert 'href="/fails/503?a=b&amp;c=d"' in app.test_client().get("/fails/503?a=b&c=d").text


def test_the_traceback_is_shown_in_debug_mode_alone(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs", debug=True) as app:
        answer = raising(app).test_client().get("/fails/500")
    assert answer.status_code == 500
    assert "ZeroDivisionError: a bug" in answer.text
