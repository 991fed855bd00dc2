"""Help in place: no field of a form is without an explanation, and no default without a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from flask import Flask

from digits.dataset.images.classification.forms import ImageClassificationDatasetForm
from digits.model.images.classification.forms import ImageClassificationModelForm
from digits.web.forms import DigitsForm
from tests.apps import running_app

FORMS = {
    "/datasets/images/classification/new": ImageClassificationDatasetForm,
    "/models/images/classification/new": ImageClassificationModelForm,
}
LONGEST = 240  # characters; more belongs into the documentation


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with running_app(tmp_path_factory.mktemp("help") / "jobs") as app:
        yield app


def fields(app: Flask, form_type: type[DigitsForm]) -> Iterator[tuple[str, str, bool]]:
    """Name and explanation of each field, and whether it has a default."""
    with app.test_request_context():
        for field in form_type(formdata=None, meta={"csrf": False}):
            has_default = field.data not in (None, "", (), False) or field.type == "BooleanField"
            yield field.name, field.description, has_default


@pytest.mark.parametrize("form_type", FORMS.values())
def test_every_field_is_explained_in_few_words(app: Flask, form_type: type[DigitsForm]) -> None:
    explanations = {name: words for name, words, _ in fields(app, form_type)}
    assert [name for name, words in explanations.items() if not words] == []
    assert {name: words for name, words in explanations.items() if len(words) > LONGEST} == {}


@pytest.mark.parametrize("form_type", FORMS.values())
def test_every_default_has_its_reason(app: Flask, form_type: type[DigitsForm]) -> None:
    silent = [
        name
        for name, words, has_default in fields(app, form_type)
        if has_default and not re.search(r"default|suits", words)
    ]
    assert silent == []


class Inputs(HTMLParser):
    """The controls of a page's form with what describes them, and all ids."""

    def __init__(self) -> None:
        super().__init__()
        self.controls: dict[str, str] = {}
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        name = values.get("name")
        if tag in ("input", "select", "textarea") and name and values.get("type") != "hidden":
            self.controls[name] = values.get("aria-describedby") or ""


@pytest.mark.parametrize("path", FORMS)
def test_every_control_of_the_page_has_its_explanation_beside_it(app: Flask, path: str) -> None:
    page = Inputs()
    page.feed(app.test_client().get(path, headers={"Accept": "text/html"}).text)
    assert len(page.controls) > 20
    assert [name for name in page.controls if f"{name}-help" not in page.ids] == []
    described = [part for words in page.controls.values() for part in words.split()]
    assert set(described) <= page.ids


def test_the_guides_that_forms_lead_to_are_there(app: Flask) -> None:
    client = app.test_client()
    for path in FORMS:
        text = client.get(path, headers={"Accept": "text/html"}).text
        for link in re.findall(r'class="read-more" href="([^"]+)"', text):
            address, _, anchor = link.partition("#")
            answer = client.get(address)
            assert answer.status_code == 200, link
            assert not anchor or f'id="{anchor}"' in answer.text, link
