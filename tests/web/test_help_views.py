"""The documentation inside the program: every page of docs/, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from digits.web.help_views import documents, documents_folder
from tests.apps import running_app


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with running_app(tmp_path_factory.mktemp("help") / "jobs") as app:
        yield app.test_client()


def test_every_page_is_served_and_its_links_lead_somewhere(client: FlaskClient) -> None:
    pages = [name.removesuffix(".md") for name in documents() if name.endswith(".md")]
    assert "api" in pages
    texts = {f"/help/{name}": client.get(f"/help/{name}").text for name in pages}
    texts["/help/"] = client.get("/help/").text
    broken = []
    for page, text in texts.items():
        article = text[text.index("<article") : text.index("</article>")]
        for link in re.findall(r'(?:href|src)="([^"]*)"', article):
            address, _, anchor = urljoin(page, link).partition("#")
            if "://" in address or address.startswith("mailto:"):
                continue
            with client.get(address) as answer:
                found = answer.status_code == 200
                if not found or (anchor and f'id="{anchor}"' not in answer.text):
                    broken.append((page, link))
    assert broken == []


@pytest.mark.parametrize(
    "path",
    ["../README", "..%2fREADME", "/etc/passwd", "nothing", "images", "decisions", "api.md/..", "."],
)
def test_nothing_beside_the_documentation_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(f"/help/{path}").status_code in (404, 308)


def test_pictures_are_served_to_be_kept(client: FlaskClient) -> None:
    name = next(name for name in documents() if name.endswith(".png"))
    with client.get(f"/help/{name}") as answer:
        assert answer.status_code == 200
        assert answer.mimetype == "image/png"
        assert "max-age" in answer.headers["Cache-Control"]


def test_a_page_that_has_changed_is_shown_as_it_is_now(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "new.md"
    page.write_text("# First\n")
    monkeypatch.setattr("digits.web.help_views.documents", lambda: {"new.md": page})
    assert "First" in client.get("/help/new").text
    page.write_text("# Second\n")
    assert "Second" in client.get("/help/new").text


def test_the_folder_is_the_documentation() -> None:
    assert (documents_folder() / "api.md").is_file()
