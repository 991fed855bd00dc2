"""Templates can be read: no line is wider than a window, and none stands outside of the rooms."""

from __future__ import annotations

from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
WIDEST = 119  # characters


def test_no_line_of_a_template_is_too_long() -> None:
    long = [
        f"{path.relative_to(TEMPLATES)}:{number}"
        for path in sorted(TEMPLATES.rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > WIDEST
    ]
    assert long == []


def test_the_layout_alone_stands_above_the_rooms() -> None:
    assert [path.name for path in TEMPLATES.glob("*.html")] == ["layout.html"]
