"""docs/RestApi.md: made from the application, and with every route of the original in it."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.rest_api import GUIDE, page, without_lines
from tests.apps import running_app

# What DIGITS 1.1 documents.
ORIGINAL = [
    ("/", "GET"),
    ("/index.json", "GET"),
    ("/datasets/<job_id>", "DELETE"),
    ("/datasets/<job_id>/abort", "POST"),
    ("/datasets/<job_id>/status", "GET"),
    ("/jobs/<job_id>", "GET"),
    ("/jobs/<job_id>", "PUT"),
    ("/jobs/<job_id>", "DELETE"),
    ("/jobs/<job_id>/abort", "POST"),
    ("/jobs/<job_id>/status", "GET"),
    ("/models/<job_id>", "DELETE"),
    ("/models/<job_id>/abort", "POST"),
    ("/models/<job_id>/status", "GET"),
    ("/datasets/<job_id>", "GET"),
    ("/datasets/images/classification", "POST"),
    ("/datasets/images/classification/new", "GET"),
    ("/datasets/images/resize-example", "POST"),
    ("/datasets/summary", "GET"),
    ("/models/<job_id>", "GET"),
    ("/models/<job_id>.json", "GET"),
    ("/models/<job_id>/download", "GET POST"),
    ("/models/<job_id>/download.<extension>", "GET POST"),
    ("/models/customize", "POST"),
    ("/models/images/classification", "POST"),
    ("/models/images/classification/classify_many", "POST"),
    ("/models/images/classification/classify_one", "POST"),
    ("/models/images/classification/large_graph", "GET"),
    ("/models/images/classification/new", "GET"),
    ("/models/images/classification/top_n", "POST"),
    ("/models/visualize-lr", "POST"),
    ("/models/visualize-network", "POST"),
    ("/files/<path:path>", "GET"),
]


def documented(text: str) -> dict[str, set[str]]:
    """The methods of each route of the page."""
    found: dict[str, set[str]] = {}
    for rule, methods in re.findall(r"^### `(.*?)`\n.*?^Methods: (.*?)$", text, re.S | re.M):
        found.setdefault(rule, set()).update(re.findall(r"\w+", methods))
    return found


def test_the_page_is_current(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs") as app:
        text = page(app)
    assert without_lines(GUIDE.read_text()) == without_lines(text), "run make rest-api"


def test_every_route_of_the_original_is_in_it() -> None:
    found = documented(GUIDE.read_text())
    missing = [
        (rule, methods)
        for rule, methods in ORIGINAL
        if not set(methods.split()) <= found.get(rule, set())
    ]
    assert missing == []


def test_every_route_says_what_it_does() -> None:
    assert re.findall(r"^### `(.*?)`\n\n> *\n", GUIDE.read_text(), re.M) == []


def test_places_name_lines_of_files_that_are_there() -> None:
    top = GUIDE.parent.parent
    places = re.findall(r"^Location: \[`(.*?)@(\d+)`\]", GUIDE.read_text(), re.M)
    assert len(places) > 80
    assert [path for path, _ in places if not (top / path).is_file()] == []
