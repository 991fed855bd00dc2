"""The glossary's terms where they occur: explanations of forms lead to docs/glossary.md.

Each third-level heading of that page is a term. Those of its first group, the everyday words, are
not linked: they stand in nearly every explanation, and a link on each would be noise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from markupsafe import Markup, escape

from digits.web.outline import Heading

GLOSSARY = "glossary"
GROUP_LEVEL, TERM_LEVEL = 2, 3


class Glossary:
    """The terms of the headings of docs/glossary.md."""

    def __init__(self, headings: Sequence[Heading]) -> None:
        self.ids = _linked_terms(headings)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Any term or its plural as whole words; the longest wins, "validation set" over "set"."""
        terms = sorted(self.ids, key=len, reverse=True)
        return re.compile(rf"(?<![\w.-])(?:{'|'.join(map(_forms, terms))})(?![\w-])", re.IGNORECASE)

    def linked(self, text: str, address: str, about: str = "") -> Markup:
        """`text` with a link at the first place of each term; `address` is the glossary's.

        Terms that the text does not name itself, but `about`, what it explains, follow at its end.
        """
        if not self.ids:
            return escape(text)
        seen: set[str] = set()
        parts: list[Markup] = []
        end = 0
        for match, target in self._first_places(text, seen):
            parts += [escape(text[end : match.start()]), _link(f"{address}#{target}", match[0])]
            end = match.end()
        more = [
            _link(f"{address}#{target}", match[0])
            for match, target in self._first_places(about, seen)
        ]
        added = Markup(" See {}.").format(Markup(", ").join(more)) if more else Markup("")
        return Markup("").join([*parts, escape(text[end:]), added])

    def _first_places(self, text: str, seen: set[str]) -> Iterator[tuple[re.Match[str], str]]:
        """Where terms that are not yet `seen` stand, each with the id that it leads to."""
        for match in self.pattern.finditer(text):
            target = self._id(match[0])
            if target not in seen:
                seen.add(target)
                yield match, target

    def _id(self, words: str) -> str:
        """The id of the term that `words` are a form of."""
        return next(
            target
            for term, target in self.ids.items()
            if re.fullmatch(_forms(term), words, re.IGNORECASE)
        )


def _linked_terms(headings: Sequence[Heading]) -> dict[str, str]:
    """Each term that is linked, in lower case, and the id of its heading."""
    groups = 0
    found: dict[str, str] = {}
    for heading in headings:
        groups += heading.level == GROUP_LEVEL
        if heading.level == TERM_LEVEL and groups > 1:
            found |= dict.fromkeys(
                (term.strip().lower() for term in heading.words.split(",")), heading.id
            )
    return found


def _forms(term: str) -> str:
    """A pattern of a term in singular and plural; its words may stand on two lines."""
    words = r"\s+".join(map(re.escape, term.split()))
    if term.endswith("y"):
        return rf"{words[:-1]}(?:y|ies)"
    return rf"{words}(?:e?s)?"


def _link(address: str, words: str) -> Markup:
    # Another tab: a form that is half filled in stays as it is.
    return Markup('<a href="{}" target="_blank" rel="noopener">{}</a>').format(address, words)
