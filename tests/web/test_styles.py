"""The styles: each colour stands once, and every file is on the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STYLES = sorted((ROOT / "static" / "css").glob("*.css"))
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?|oklch)\(")


@pytest.mark.parametrize("path", STYLES, ids=[path.name for path in STYLES])
def test_colours_stand_in_the_tokens_alone(path: Path) -> None:
    found = [line.strip() for line in path.read_text().splitlines() if COLOUR.search(line)]
    assert path.name == "tokens.css" or found == []


@pytest.mark.parametrize("path", STYLES, ids=[path.name for path in STYLES])
def test_every_token_that_is_used_is_defined(path: Path) -> None:
    tokens = (ROOT / "static" / "css" / "tokens.css").read_text()
    text = path.read_text()
    defined = set(re.findall(r"(--[a-z0-9-]+):", tokens + text))
    # `--status` is given by the class of a status, `--bs-` by Bootstrap.
    used = {name for name in re.findall(r"var\((--[a-z0-9-]+)", text) if "--bs-" not in name}
    assert used - defined == set()


def test_every_style_is_linked_by_the_layout_or_a_page() -> None:
    pages = [path.read_text() for path in (ROOT / "templates").rglob("*.html")]
    layout = (ROOT / "templates" / "layout.html").read_text()
    of_pages = {name for text in pages for name in re.findall(r"'css/([a-z_]+)\.css'", text)}
    assert [p.stem for p in STYLES if f'"{p.stem}"' not in layout and p.stem not in of_pages] == []
