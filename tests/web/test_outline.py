"""The outline of a page: headings with the ids that links lead to, and the words below each."""

from __future__ import annotations

from digits.web.markdown import page_html
from digits.web.outline import Heading, headings, sections

PAGE = """Before.

# A *title*

First words,
on two lines, with [a link](b.md) and `code`.

## Fields

| name | meaning |
| --- | --- |
| a | first |

    a command

### Fields
"""


def test_headings_have_the_levels_and_ids_of_the_page() -> None:
    assert headings(PAGE) == (
        Heading(1, "A title", "a-title"),
        Heading(2, "Fields", "fields"),
        Heading(3, "Fields", "fields-1"),
    )
    html = page_html(PAGE, lambda _: None)
    assert all(f'<h{each.level} id="{each.id}">' in html for each in headings(PAGE))


def test_a_section_has_the_words_of_paragraphs_tables_and_code() -> None:
    texts = [section.text for section in sections(PAGE)]
    assert texts == [
        "First words, on two lines, with a link and code.",
        "name meaning a · first a command",
        "",
    ]


def test_a_page_without_headings_has_no_sections() -> None:
    assert sections("Only words.") == ()
    assert headings("") == ()
