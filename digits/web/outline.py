"""The outline of a page of markdown: its headings, and the words below each.

Contents of a page and search are made of it.  Levels and ids are those of `page_html`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.token import Token

from digits.web.markdown import page_tokens, plain


@dataclass(frozen=True)
class Heading:
    """A heading: its level (1 is the page's own), its words, and the id that links lead to."""

    level: int
    words: str
    id: str


@dataclass(frozen=True)
class Section:
    """A heading with the words between it and the next one, as plain text."""

    heading: Heading
    text: str


def headings(text: str) -> tuple[Heading, ...]:
    """All headings of a page, in its order."""
    return tuple(section.heading for section in sections(text))


def sections(text: str) -> tuple[Section, ...]:
    """A page as its sections; what stands above the first heading is left out."""
    tokens = page_tokens(text)
    starts = [index for index, token in enumerate(tokens) if token.type == "heading_open"]
    return tuple(_section(tokens[start:end]) for start, end in pairwise([*starts, len(tokens)]))


def _section(tokens: Sequence[Token]) -> Section:
    """The tokens from a heading's first to the last one before the next heading."""
    opening, words, *rest = tokens  # what closes the heading is the first of the rest
    heading = Heading(
        int(opening.tag[1:]), plain(words.children or []), str(opening.attrGet("id") or "")
    )
    return Section(heading, " ".join(" ".join(_texts(rest)).split()))


def _texts(tokens: Sequence[Token]) -> Iterator[str]:
    """The words of each paragraph, cell and block of code; a dot stands between a row's cells."""
    for before, token in pairwise(tokens):
        if token.type == "td_open" and before.type == "td_close":
            yield "·"
        elif token.type == "inline":
            yield plain(token.children or [])
        elif token.type in ("fence", "code_block"):
            yield token.content
