"""Whether the answer is a page or JSON: what the header Accept says of it."""

from __future__ import annotations

import pytest
from flask import Flask

from digits.web.answers import wants_json

JSON = "application/json"


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        (JSON, True), ("APPLICATION/JSON", True), (f"{JSON}; charset=utf-8", True),
        (f"{JSON};charset=UTF-8, */*;q=0.1", True), (f"{JSON}, text/plain, */*", True),
        (f"{JSON}, text/javascript, */*; q=0.01", True), (f"{JSON};q=0.9, */*;q=0.8", True),
        (f"{JSON}, text/html;q=0.5", True), (f"text/html;q=0.4, {JSON};q=0.5", True),
        ("application/*", True), ("", False), ("*/*", False), ("text/html", False),
        (f"text/html, {JSON}", False), (f"{JSON}, text/html", False), (f"{JSON};q=0", False),
        (f"text/html;level=1, {JSON};q=0.9", False), (f"{JSON};q=0.1, TEXT/HTML", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", False),
        ("x", False), (f"{JSON};q=nothing", False), (";", False), (",,;q=1", False),
    ],
)  # fmt: skip
def test_the_header_accept_chooses_between_page_and_json(accept: str, is_json: bool) -> None:
    app = Flask(__name__)
    with app.test_request_context("/", headers={"Accept": accept}):
        assert wants_json() is is_json
    with app.test_request_context("/x.json", headers={"Accept": accept}):
        assert wants_json()
