"""What the search in the guides looks through: every section of every page, as plain text.

The browser fetches it once and searches by itself (static/js/help/search.js), so that typing asks
the server for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from digits.web.markdown import title_of
from digits.web.outline import sections


def search_index(
    pages: Iterable[tuple[str, Path]], address: Callable[[str], str]
) -> dict[str, Any]:
    """The pages, in the order in which equally good results are shown.

    In: each page's name below docs/, and its file. `address` answers where a name is served.
    Out: `{"pages": [{"title", "address", "sections": [[heading, id, text], ...]}, ...]}`.
    """
    return {"pages": [_page(name, path, address) for name, path in pages]}


def _page(name: str, path: Path, address: Callable[[str], str]) -> dict[str, Any]:
    text = path.read_text("utf-8")
    return {
        "title": title_of(text),
        "address": address(name),
        "sections": [
            [section.heading.words, section.heading.id, section.text] for section in sections(text)
        ],
    }
