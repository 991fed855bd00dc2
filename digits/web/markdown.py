"""Markdown as HTML that is safe to show: users' notes, and the documentation.

By markdown-it: HTML in the text is shown as text, never taken as HTML, and links lead to pages and
mail alone.  Headings begin below those of the page that the text is shown on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

LINK_SCHEMES = ("", "http", "https", "mailto")
LOWEST_HEADING = 6
# Of a note's tables: each row gets as many cells as the head has, however short it is written.
MOST_CELLS = 10_000


@lru_cache(maxsize=64)
def notes_html(text: str) -> Markup:
    """A user's notes; headings begin at h3, and pictures are not fetched: they are links."""
    parser = _parser().disable("image")
    if _most_cells(text) > MOST_CELLS:
        parser.disable("table")  # shown as the text that it is
    tokens = parser.parse(text)
    _lower_headings(tokens, below=2)
    for link in _inner(tokens, "link_open"):
        link.attrSet("rel", "nofollow noopener noreferrer")
    return _html(parser, tokens)


def page_html(text: str, address: Callable[[str], str | None]) -> Markup:
    """A page of the documentation, whose first heading is the page's.

    `address` answers where a relative link or picture leads; None: nowhere, its text stays.
    Headings get ids as on GitHub, so that `#statuses` leads to "Statuses".
    """
    tokens = page_tokens(text)
    for token in tokens:
        if token.type == "inline":
            token.children = _with_addresses(token.children or [], address)
    return _html(_parser(), tokens)


def page_tokens(text: str) -> list[Token]:
    """A page of the documentation as markdown-it reads it, each heading with its level and id."""
    tokens = _parser().parse(text)
    _lower_headings(tokens, below=0)
    _add_ids(tokens)
    return tokens


def title_of(text: str) -> str:
    """The words of the first heading."""
    found = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def heading_id(text: str) -> str:
    """The id of a heading, as GitHub makes it."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text.lower()).strip())


def _most_cells(text: str) -> int:
    """How many cells the text's tables have at most."""
    lines = text.splitlines()
    return len(lines) * (1 + max((line.count("|") for line in lines), default=0))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_safe_link  # type: ignore[method-assign]
    # Wide tables and long lines of code scroll; what scrolls must be reached by the keyboard.
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    return parser


def _table_open(*_: Any) -> str:
    return (
        '<div class="grid-scroll" role="group" aria-label="Table" tabindex="0"><table class="grid">'
    )


def _table_close(*_: Any) -> str:
    return "</table></div>"


def _is_safe_link(url: str) -> bool:
    """Whether a link may stand; `javascript:` and the like stay text."""
    try:
        return urlsplit(url.strip()).scheme.lower() in LINK_SCHEMES
    except ValueError:
        return False


def _html(parser: MarkdownIt, tokens: Sequence[Token]) -> Markup:
    for token in tokens:
        if token.type in ("fence", "code_block"):
            token.type = "fence"  # the attributes then go to the same element
            token.attrSet("tabindex", "0")
    # Made by the renderer, which escapes all text.
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704


def _lower_headings(tokens: Sequence[Token], *, below: int) -> None:
    """Let headings follow one of level `below` without leaving a level out."""
    levels = sorted({token.tag for token in tokens if token.type == "heading_open"})
    previous = below
    for token in tokens:
        if token.type == "heading_open":
            wanted = below + 1 + levels.index(token.tag)
            previous = min(wanted, previous + 1, LOWEST_HEADING)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{previous}"


def _add_ids(tokens: Sequence[Token]) -> None:
    taken: dict[str, int] = {}
    for heading, inline in zip(tokens, tokens[1:], strict=False):
        if heading.type == "heading_open":
            name = heading_id(plain(inline.children or []))
            taken[name] = taken.get(name, -1) + 1
            heading.attrSet("id", f"{name}-{taken[name]}" if taken[name] else name)


def plain(tokens: Sequence[Token]) -> str:
    """The words of inline tokens; a line break is a space."""
    words = {"text": None, "code_inline": None, "softbreak": " ", "hardbreak": " "}
    return "".join(words[token.type] or token.content for token in tokens if token.type in words)


def _inner(tokens: Sequence[Token], kind: str) -> list[Token]:
    return [child for token in tokens for child in token.children or () if child.type == kind]


def _with_addresses(tokens: Sequence[Token], address: Callable[[str], str | None]) -> list[Token]:
    """Inline tokens whose relative links and pictures lead where `address` says."""
    kept: list[Token] = []
    dropped = False  # inside a link that leads nowhere
    for token in tokens:
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name is not None:
            given = str(token.attrGet(name) or "")
            target = given if _is_elsewhere(given) else address(given)
            if target is None:
                dropped = token.type == "link_open"
                continue
            token.attrSet(name, target)
        elif token.type == "link_close" and dropped:
            dropped = False
            continue
        kept.append(token)
    return kept


def _is_elsewhere(url: str) -> bool:
    return url.startswith("#") or bool(urlsplit(url).scheme)
