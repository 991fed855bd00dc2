"""The documentation inside the program: `docs/*.md` as pages, so that help needs no other site.

Only what stands in the folder docs/ when the server starts is served: its pages and their pictures.
"""

from __future__ import annotations

import posixpath
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, abort, render_template, send_file, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

import digits
from digits.web.answers import in_thread
from digits.web.markdown import page_html, title_of

blueprint = Blueprint("help", __name__, url_prefix="/help")

INDEX = "README"
PICTURE_AGE_S = 3600


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """The list of all pages."""
    return page(INDEX)


@blueprint.get("/<path:name>")
def page(name: str) -> ResponseReturnValue:
    """A page of the documentation, such as `getting-started`, or one of its pictures.

    The template (`web/help.html`) gets `title`, `content` and `is_index`.
    """
    path = documents().get(name) or documents().get(f"{name}.md")
    if path is None:
        abort(404, "There is no such page of help. The list of all pages is at /help/.")
    if path.suffix != ".md":
        return send_file(path, max_age=PICTURE_AGE_S)
    folder = posixpath.dirname(name)
    # The addresses below a prefix (`url_prefix`) may differ from one request to the next.
    root = url_for("help.index")
    title, content = in_thread(_rendered, path, path.stat().st_mtime_ns, folder, root)
    return render_template("web/help.html", title=title, content=content, is_index=name == INDEX)


@lru_cache(maxsize=1)
def documents() -> dict[str, Path]:
    """The files that are served, by their path below docs/."""
    top = documents_folder()
    endings = {".md", ".png", ".svg"}
    return {
        path.relative_to(top).as_posix(): path
        for path in sorted(top.rglob("*"))
        if path.suffix in endings and path.is_file()
    }


def documents_folder() -> Path:
    """docs/: in an installed package, or beside it in a checkout."""
    package = Path(digits.__file__).resolve().parent
    inside = package / "docs"
    return inside if inside.is_dir() else package.parent / "docs"


@lru_cache(maxsize=64)
def _rendered(path: Path, changed_ns: int, folder: str, root: str) -> tuple[str, Markup]:
    """Title and HTML of a page in `folder`; kept until the file changes."""
    text = path.read_text("utf-8")

    def address(link: str) -> str | None:
        target, _, anchor = link.partition("#")
        name = posixpath.normpath(posixpath.join(folder, target))
        if name not in documents():
            return None  # the code, a licence: not on these pages
        shown = "" if name == f"{INDEX}.md" else name.removesuffix(".md")
        return root + shown + (f"#{anchor}" if anchor else "")

    return title_of(text), page_html(text, address)
