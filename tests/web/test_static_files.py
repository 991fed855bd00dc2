"""Static files have addresses that browsers may keep, and that change with the contents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask, url_for

from digits.web import static_files
from tests.apps import running_app


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "page.js").write_text("one();")
    return serving(tmp_path)


def serving(folder: Path) -> Flask:
    app = Flask("test", static_folder=str(folder), static_url_path="/static")
    static_files.connect(app)
    return app


def address(app: Flask, filename: str = "js/page.js") -> str:
    with app.test_request_context():
        return url_for("static", filename=filename)


def test_what_a_page_names_is_kept_for_a_year(app: Flask) -> None:
    assert re.fullmatch(r"/static/v-[0-9a-f]{12}/js/page\.js", address(app))
    with app.test_client().get(address(app)) as answer:
        assert answer.text == "one();"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_another_content_or_name_has_another_address(app: Flask, tmp_path: Path) -> None:
    before = address(app)
    (tmp_path / "js" / "other.js").write_text("two();")
    added = address(serving(tmp_path))
    (tmp_path / "js" / "other.js").write_text("2();")
    changed = address(serving(tmp_path))
    assert len({before, added, changed}) == 3


@pytest.mark.parametrize("path", ["/static/js/page.js", "/static/v-0123456789ab/js/page.js"])
def test_another_versions_address_works_and_is_not_kept(app: Flask, path: str) -> None:
    """A page that was open while the server was brought up to date still finds its scripts."""
    with app.test_client().get(path) as answer:
        assert answer.text == "one();"
        assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["js/none.js", "../secret", "v-0123456789ab/../../secret"])
def test_nothing_else_is_served(app: Flask, tmp_path: Path, path: str) -> None:
    (tmp_path.parent / "secret").write_text("hush")
    assert app.test_client().get(f"/static/{path}").status_code == 404


def test_in_debug_mode_files_may_change_at_any_time(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs", debug=True) as app, app.test_request_context():
        assert url_for("static", filename="js/page.js") == "/static/js/page.js"


SCRIPTS = Path(__file__).parents[2] / "static" / "js"
# What a script loads: a module that it imports, or a library of static/vendor/.
LOADED = re.compile(r'(?:from|import) "(\.[^"]+)"|new URL\("(\.[^"]+)", import\.meta\.url\)')


def test_what_scripts_load_is_where_they_look_for_it() -> None:
    loaded = [
        (script, target)
        for script in SCRIPTS.rglob("*.js")
        for found in LOADED.findall(script.read_text())
        for target in found
        if target
    ]
    assert any("vendor" in target for _, target in loaded)
    missing = [(str(s), target) for s, target in loaded if not (s.parent / target).exists()]
    assert missing == []
