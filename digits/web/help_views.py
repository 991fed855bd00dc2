"""The guides inside the program: `docs/*.md` as pages, so that help needs no other site.

Only what stands in the folder docs/ when the server starts is served: its pages and their pictures.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, abort, jsonify, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from digits.web.answers import in_thread
from digits.web.glossary import GLOSSARY, Glossary
from digits.web.help_guides import INDEX, Group, Guide, documents, groups_of, index_of, neighbours
from digits.web.help_search import search_index
from digits.web.markdown import page_html, title_of
from digits.web.outline import Heading, headings

blueprint = Blueprint("help", __name__, url_prefix="/help")

PICTURE_AGE_S = 3600
# The headings that stand beside a page; finer ones are found on it.
CONTENTS_LEVELS = (2, 3)


@dataclass(frozen=True)
class Page:
    """A guide as it is shown."""

    title: str
    content: Markup
    contents: tuple[Heading, ...]


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """The list of all guides."""
    return page(INDEX)


@blueprint.get("/search-index.json")
def search() -> ResponseReturnValue:
    """What the search looks through: `pages`, each with its sections as `[heading, id, text]`."""
    # The addresses below a prefix (`url_prefix`) may differ from one request to the next.
    response: Response = jsonify(in_thread(_search_index, _state(), url_for("help.index")))
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


@blueprint.get("/<path:name>")
def page(name: str) -> ResponseReturnValue:
    """A guide, such as `getting-started`, or one of its pictures.

    The template (`web/help.html`) gets `guide` (a `Page`), `name`, `groups` of all guides, and the
    guides `before` and `after` it.
    """
    path = documents().get(name) or documents().get(f"{name}.md")
    if path is None:
        abort(404, "There is no such page of help. The list of all guides is at /help/.")
    if path.suffix != ".md":
        return send_file(path, max_age=PICTURE_AGE_S)
    name = name.removesuffix(".md")
    guide = in_thread(_rendered, path, path.stat().st_mtime_ns, name, url_for("help.index"))
    before, after = _around(name)
    return render_template(
        "web/help.html",
        guide=guide,
        name=name,
        listed=name if _is_listed(name) else index_of(name),
        groups=_groups(INDEX),
        before=before,
        after=after,
        index=INDEX,
    )


@blueprint.app_template_filter("with_terms")
def with_terms(text: str, about: str = "") -> Markup:
    """An explanation of what is called `about`; its technical terms lead to the glossary."""
    path = documents().get(f"{GLOSSARY}.md")
    if path is None:
        return escape(text)
    glossary = _glossary(path, path.stat().st_mtime_ns)
    return glossary.linked(text, url_for("help.page", name=GLOSSARY), about)


@lru_cache(maxsize=1)
def _glossary(path: Path, _changed_ns: int) -> Glossary:
    return Glossary(headings(path.read_text("utf-8")))


def _groups(listing: str) -> tuple[Group, ...]:
    """The groups of a list of guides; none where the folder has no list."""
    path = documents().get(f"{listing}.md")
    if path is None:
        return ()
    return _read_groups(path, path.stat().st_mtime_ns, posixpath.dirname(listing))


@lru_cache(maxsize=8)
def _read_groups(path: Path, _changed_ns: int, folder: str) -> tuple[Group, ...]:
    return groups_of(path.read_text("utf-8"), folder)


def _is_listed(name: str) -> bool:
    """Whether a page is the list of all guides or stands in it, not in that of its folder."""
    return name == INDEX or name in _names(_groups(INDEX))


def _around(name: str) -> tuple[Guide | None, Guide | None]:
    """The guides before and after a page."""
    listing = INDEX if _is_listed(name) else index_of(name)
    path = documents().get(f"{listing}.md")
    title = title_of(path.read_text("utf-8")) if path else ""
    return neighbours(_groups(listing), Guide(listing, title), name)


def _names(groups: tuple[Group, ...]) -> list[str]:
    return [guide.name for group in groups for guide in group.guides]


@lru_cache(maxsize=128)
def _rendered(path: Path, _changed_ns: int, name: str, root: str) -> Page:
    """A page, kept until its file changes; `root` is the address of the index."""
    text = path.read_text("utf-8")
    folder = posixpath.dirname(name)

    def address(link: str) -> str | None:
        target, _, anchor = link.partition("#")
        file = posixpath.normpath(posixpath.join(folder, target))
        if file not in documents():
            return None  # the code, a licence: not on these pages
        return _address(root, file.removesuffix(".md")) + (f"#{anchor}" if anchor else "")

    contents = tuple(heading for heading in headings(text) if heading.level in CONTENTS_LEVELS)
    return Page(title_of(text), page_html(text, address), contents)


def _address(root: str, name: str) -> str:
    return root if name == INDEX else root + name


def _state() -> tuple[tuple[str, int], ...]:
    """The names of all guides, those of the list first, each with the time of its last change."""
    pages = [name.removesuffix(".md") for name in documents() if name.endswith(".md")]
    order = [INDEX, *_names(_groups(INDEX))]
    pages.sort(key=lambda name: order.index(name) if name in order else len(order))
    return tuple((name, documents()[f"{name}.md"].stat().st_mtime_ns) for name in pages)


@lru_cache(maxsize=2)
def _search_index(state: tuple[tuple[str, int], ...], root: str) -> dict[str, object]:
    pages = ((name, documents()[f"{name}.md"]) for name, _ in state)
    return search_index(pages, lambda name: _address(root, name))
