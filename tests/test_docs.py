"""The documentation names everything that there is to be named."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from digits.config import Config
from digits.web.kind import JobKind
from tests.apps import running_app

TOP = Path(__file__).parent.parent
QUOTED = (".py", ".html", ".toml")


def test_every_route_is_in_the_rest_guide(tmp_path: Path) -> None:
    guide = (TOP / "docs" / "api.md").read_text()
    with running_app(tmp_path / "jobs") as app:
        rules = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"}
    assert [rule for rule in sorted(rules) if rule not in guide] == []


def test_every_setting_is_in_the_configuration_guide() -> None:
    guide = (TOP / "docs" / "configuration.md").read_text()
    fields = dataclasses.fields(Config)
    missing = [field.name for field in fields if f"`{field.name}`" not in guide]
    assert missing == []
    assert all(field.metadata["help"] in guide for field in fields)


@pytest.mark.parametrize(
    "document",
    ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (TOP / "docs").glob("*.md"))],
)
def test_links_between_pages_lead_somewhere(document: str) -> None:
    text = (TOP / document).read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (TOP / document).parent.joinpath(link).exists()] == []


def pressed(text: str) -> str:
    """A text without its white space: a part of a class is quoted further to the left."""
    return "".join(text.split())


def test_the_guide_to_new_kinds_quotes_the_package_that_is_tested() -> None:
    blocks = re.findall(
        r"^```\w+\n(.*?)^```$", (TOP / "docs" / "extend.md").read_text(), re.S | re.M
    )
    plugin = TOP / "tests" / "plugin"
    sources = [pressed(path.read_text()) for path in plugin.rglob("*.*") if path.suffix in QUOTED]
    assert len(blocks) > 8
    assert [
        block for block in blocks if not any(pressed(block) in source for source in sources)
    ] == []


def test_the_guide_to_new_kinds_names_every_field_of_a_kind() -> None:
    guide = (TOP / "docs" / "extend.md").read_text()
    fields = [field.name for field in dataclasses.fields(JobKind)]
    assert [name for name in fields if f"`{name}`" not in guide] == []
