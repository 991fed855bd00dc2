"""The documentation inside the program: every page of docs/, and nothing else."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from digits.web.help_guides import documents, documents_folder
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
    assert "First" in client.get("/help/search-index.json").text
    page.write_text("# Second\n")
    assert "Second" in client.get("/help/new").text
    assert "Second" in client.get("/help/search-index.json").text


def test_the_folder_is_the_documentation() -> None:
    assert (documents_folder() / "api.md").is_file()


def links_of(text: str, begin: str) -> list[tuple[str, str]]:
    """(address, attributes) of the links of the part of a page that begins so."""
    part = text[text.index(begin) :].partition("</nav>")[0]
    return re.findall(r'<a\s[^>]*href="([^"]*)"([^>]*)>', part)


def test_the_list_beside_every_guide_names_all_guides_and_marks_the_one_that_is_shown(
    client: FlaskClient,
) -> None:
    links = links_of(client.get("/help/api").text, '<nav class="guide-list"')
    addresses = [address for address, _ in links]
    guides = [name for name in documents() if name.endswith(".md") and "/" not in name]
    expected = {f"/help/{name.removesuffix('.md')}" for name in guides} - {"/help/README"}
    assert set(addresses) == expected | {"/help/", "/help/decisions/README"}
    assert len(addresses) == len(set(addresses))
    assert [address for address, rest in links if 'aria-current="page"' in rest] == ["/help/api"]


def test_a_decision_stands_behind_the_list_of_decisions(client: FlaskClient) -> None:
    name = next(name for name in documents() if name.startswith("decisions/0"))
    links = links_of(client.get(f"/help/{name}").text, '<nav class="guide-list"')
    assert [address for address, rest in links if "aria-current" in rest] == [
        "/help/decisions/README"
    ]
    assert not any("decisions/0" in address for address, _ in links)


def test_guides_can_be_read_one_after_the_other(client: FlaskClient) -> None:
    """From the list to the last one, each leading to the next and back."""
    listed = [address for address, _ in links_of(client.get("/help/").text, "guide-list")]
    read = ["/help/"]
    while turn := re.search(r'href="([^"]*)" rel="next"', client.get(read[-1]).text):
        assert f'href="{read[-1]}" rel="prev"' in client.get(turn[1]).text
        read.append(turn[1])
    assert read == listed


def test_the_contents_of_a_guide_are_its_headings(client: FlaskClient) -> None:
    text = client.get("/help/model-options").text
    contents = [address for address, _ in links_of(text, '<nav class="guide-contents"')]
    article = text[text.index("<article") : text.index("</article>")]
    assert contents == [f"#{id}" for id in re.findall(r'<h[23] id="([^"]*)"', article)]
    assert "#learning-rate" in contents


def test_a_guide_without_headings_has_no_contents(client: FlaskClient) -> None:
    assert "guide-contents" not in client.get("/help/decisions/README").text


def sections_of(client: FlaskClient, address: str) -> list[Any]:
    """The sections of one page in the search's index."""
    pages = client.get("/help/search-index.json").json
    assert pages is not None
    return next(page["sections"] for page in pages["pages"] if page["address"] == address)


def test_the_search_looks_through_every_section_of_every_page(client: FlaskClient) -> None:
    index = client.get("/help/search-index.json").json
    assert index is not None
    names = [name for name in documents() if name.endswith(".md")]
    assert len(index["pages"]) == len(names)
    for page in index["pages"]:
        text = client.get(page["address"]).text
        assert [id for _, id, _ in page["sections"] if f'id="{id}"' not in text] == []
    heading, _, words = sections_of(client, "/help/model-options")[0]
    assert heading == "Options of a model"
    assert "why its defaults are what they are" in words
    assert "![" not in words


def test_the_search_index_is_small_and_not_sent_again_when_it_is_known(
    client: FlaskClient,
) -> None:
    answer = client.get("/help/search-index.json")
    assert len(gzip.compress(answer.data, 6)) < 130_000
    again = client.get("/help/search-index.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_addresses_follow_the_prefix_of_a_proxy(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs", url_prefix="/digits") as app:
        client = app.test_client()
        text = client.get("/help/api", base_url="http://localhost/digits").text
        assert 'href="/digits/help/glossary"' in text
        index = client.get("/help/search-index.json", base_url="http://localhost/digits").json
        assert index is not None
        assert all(page["address"].startswith("/digits/help/") for page in index["pages"])
