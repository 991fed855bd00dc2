"""The documentation names everything that there is to be named."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from digits.config import Config
from digits.web.kind import JobKind
from digits.web.markdown import title_of
from digits.web.outline import headings
from tests.apps import running_app

TOP = Path(__file__).parent.parent
QUOTED = (".py", ".html", ".toml")
GUIDES = [
    *(TOP / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((TOP / "docs").rglob("*.md")),
]
# Programs of this project that are run as modules, by the Python of the checkout.
MODULE_RUN = re.compile(r"(\S*python3?) -m (?:digits|benchmarks|tests|scripts)\b")


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


each_guide = pytest.mark.parametrize(
    "guide", GUIDES, ids=[str(path.relative_to(TOP)) for path in GUIDES]
)


@each_guide
def test_links_between_pages_lead_somewhere(guide: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", guide.read_text())
    assert [link for link in links if not (guide.parent / link).exists()] == []


@each_guide
def test_links_to_a_heading_find_it(guide: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*\.md|)#([^)]+)\)", guide.read_text())
    missing = []
    for page, anchor in links:
        target = guide.parent / page if page else guide
        if anchor not in [heading.id for heading in headings(target.read_text())]:
            missing.append(f"{page}#{anchor}")
    assert missing == []


@pytest.mark.parametrize("folder", ["docs", "docs/decisions"])
def test_every_page_of_a_folder_is_in_its_list_once(folder: str) -> None:
    listing = (TOP / folder / "README.md").read_text()
    pages = [path for path in (TOP / folder).glob("*.md") if path.name != "README.md"]
    unlisted = [
        f"add to {folder}/README.md: - [{title_of(path.read_text())}]({path.name})"
        for path in pages
        if listing.count(f"]({path.name})") != 1
    ]
    assert unlisted == []


@pytest.mark.parametrize(
    "guide",
    # Decisions tell of their time, and are not for typing.
    [path for path in GUIDES if path.parent.name != "decisions"],
    ids=lambda path: str(path.relative_to(TOP)),
)
def test_commands_run_in_a_fresh_checkout(guide: Path) -> None:
    """By the Python of its environment, and with nothing to fill in first."""
    text = guide.read_text()
    # In a container there is one Python, whose environment is active.
    lines = [line for line in text.splitlines() if "docker " not in line]
    pythons = MODULE_RUN.findall("\n".join(lines))
    assert [python for python in pythons if not python.endswith(".venv/bin/python")] == []
    commands = re.findall(r"^(?: {4}|\t).*<[a-zA-Z' ]* [a-zA-Z' ]*>.*$", text, re.MULTILINE)
    assert commands == []


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
