"""Markdown: what people write becomes HTML that can do no harm and fits into its page."""

from __future__ import annotations

import re

import pytest

from digits.web.markdown import heading_id, notes_html, page_html, title_of


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt&colon;alert(1))",
        "[x](\x01javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "[x](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "![x](javascript:alert(1))",
        "[x]: javascript:alert(1)\n\n[x]",
        '[x](https://a.b "\\" onmouseover=alert(1) ")',
        "| a |\n|---|\n| <b onclick=x> |",
        '```"><script>\n</script>\n```',
    ],
)
def test_nothing_that_runs_comes_through(text: str) -> None:
    html = str(notes_html(text))
    tags = re.findall(r"<([a-z0-9]+)([^>]*)>", html)
    assert not {name for name, _ in tags} & {"script", "img", "svg", "iframe", "b", "style"}
    for _, attributes in tags:
        assert not re.search(r"\son\w+=", re.sub(r'"[^"]*"', '""', attributes))
        for link in re.findall(r'href="([^"]*)"', attributes):
            assert link.startswith(("http://", "https://", "mailto:"))


def test_what_people_write_is_laid_out() -> None:
    html = str(notes_html("**bold** ~~gone~~\n\n- one\n\n| a |\n|---|\n| 1 |\n\n[x](https://a.b)"))
    for part in ("<strong>bold</strong>", "<s>gone</s>", "<li>one</li>", "<td>1</td>"):
        assert part in html
    assert 'rel="nofollow noopener noreferrer"' in html


def test_pictures_are_links_for_nothing_is_fetched_from_elsewhere() -> None:
    assert "<img" not in notes_html("![a](https://a.b/c.png)")
    assert 'href="https://a.b/c.png"' in notes_html("![a](https://a.b/c.png)")


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("# a\n## b\n# c", ["h3", "h4", "h3"]),
        ("### a\n# b", ["h3", "h3"]),
        ("# a\n#### b\n###### c", ["h3", "h4", "h5"]),
        ("\n".join(f"{'#' * n} x" for n in range(1, 7)), ["h3", "h4", "h5", "h6", "h6", "h6"]),
    ],
)
def test_headings_leave_no_level_out(text: str, levels: list[str]) -> None:
    assert re.findall(r"<(h\d)", str(notes_html(text))) == levels


def test_a_page_leads_to_other_pages_and_nowhere_else() -> None:
    links = "[one](one.md#part) [code](../digits/job.py) [out](https://a.b) [here](#x)"
    text = f"# Title\n\n{links}\n\n## A part: of it\n"
    known = {"one.md#part": "/help/one#part"}
    html = str(page_html(text, known.get))
    assert '<h1 id="title">' in html
    assert '<h2 id="a-part-of-it">' in html
    assert re.findall(r'href="([^"]*)"', html) == ["/help/one#part", "https://a.b", "#x"]
    assert "code" in html
    assert title_of(text) == "Title"


def test_headings_of_the_same_words_have_ids_of_their_own() -> None:
    html = str(page_html("# a\n## Fields\n## Fields\n", lambda _: None))
    assert 'id="fields"' in html
    assert 'id="fields-1"' in html
    assert heading_id("What `x` is, and when") == "what-x-is-and-when"
