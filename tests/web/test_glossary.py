"""The glossary: explanations lead to the terms that they use, once each, and to nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from markupsafe import Markup

from digits.web.glossary import Glossary
from digits.web.help_guides import documents
from digits.web.outline import headings
from tests.apps import running_app

FORMS = ("/datasets/images/classification/new", "/models/images/classification/new")
PAGE = """# Glossary
## First words
### Picture
## More
### Epoch
### Category
### Batch, batch size
### Validation set, validation
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with running_app(tmp_path_factory.mktemp("glossary") / "jobs") as app:
        yield app


def linked(text: str, about: str = "") -> str:
    """The text with `[words|id]` in the place of links."""
    html = Glossary(headings(PAGE)).linked(text, "/help/glossary", about)
    return re.sub(
        r'<a href="/help/glossary#([^"]*)"[^>]*>(.*?)</a>', r"[\2|\1]", html, flags=re.DOTALL
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("An epoch.", "An [epoch|epoch]."),
        ("Epochs, and another epoch.", "[Epochs|epoch], and another epoch."),
        ("The categories.", "The [categories|category]."),
        ("The validation\nset.", "The [validation\nset|validation-set-validation]."),
        ("Batch size or batches.", "[Batch size|batch-batch-size] or batches."),
        ("A picture.", "A picture."),  # an everyday word
        ("multi-epoch, epoch.txt, my_epoch", "multi-epoch, [epoch|epoch].txt, my_epoch"),
        ("<b> & epoch", "&lt;b&gt; &amp; [epoch|epoch]"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_a_term_leads_to_its_heading_at_its_first_place(text: str, expected: str) -> None:
    assert linked(text) == expected


def test_a_term_of_the_label_follows_when_the_words_do_not_name_it() -> None:
    assert linked("How often.", about="Training epochs") == "How often. See [epochs|epoch]."
    assert linked("Each epoch.", about="Training epochs") == "Each [epoch|epoch]."


def test_without_terms_a_text_stays_as_it_is() -> None:
    assert Glossary(headings("# Glossary\n")).linked("An <epoch>", "/x") == "An &lt;epoch&gt;"
    assert Glossary(()).linked(Markup("<b>x</b>"), "/x") == Markup("<b>x</b>")


def test_every_term_that_a_form_leads_to_is_in_the_glossary(app: Flask) -> None:
    client = app.test_client()
    glossary = client.get("/help/glossary").text
    for path in FORMS:
        text = client.get(path, headers={"Accept": "text/html"}).text
        words = "".join(re.findall(r'class="help-words"[^>]*>(.*?)</span>', text, re.DOTALL))
        targets = re.findall(r'href="/help/glossary#([^"]+)" target="_blank"', words)
        assert len(set(targets)) > 10
        assert [target for target in targets if f'id="{target}"' not in glossary] == []


def test_every_term_is_explained_in_a_few_words() -> None:
    text = documents()["glossary.md"].read_text()
    terms = re.findall(r"^### (.+)\n\n((?:.+\n)+)", text, re.MULTILINE)
    assert len(terms) == text.count("\n### ") > 80
    assert [term for term, words in terms if len(words) > 400] == []
