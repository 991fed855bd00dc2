"""What live messages are called: one list, which pages, scripts and documentation keep to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from digits.jobs.signals import Update

TOP = Path(__file__).parents[2]
NAMES = {update.value for update in Update}
OF_JOBS = {"status", "progress", "added", "deleted", "attribute"}
OF_TASKS = NAMES - {"added", "deleted", "attribute"}


def text_of(folder: str, pattern: str) -> str:
    files = sorted((TOP / folder).rglob(pattern))
    assert files
    return "\n".join(path.read_text() for path in files if "vendor" not in path.parts)


SCRIPTS = text_of("static/js", "*.js")
TEMPLATES = text_of("templates", "*.html")
GUIDE = (TOP / "docs" / "api.md").read_text().split("## Live messages")[1]


def listed(heading: str) -> set[str]:
    """The names in the first column of one of the guide's tables."""
    rows = GUIDE.split(f"| `{heading}` |")[1].split("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE))


def declared(typedef: str) -> set[str]:
    """The names that a type of the scripts consists of."""
    (line,) = re.findall(rf"@typedef {{(.*)}} {typedef}$", SCRIPTS, re.MULTILINE)
    return set(re.findall(r'"(\w+)"', line))


def asked_for() -> set[str]:
    """The names that scripts compare with."""
    return set(re.findall(r'update\.update [!=]== "(\w+)"', SCRIPTS))


def drawn() -> set[str]:
    """The kinds of graphs whose data the templates take from a task."""
    return set(re.findall(r'graph\("(\w+)".*?update_data\("\1"\)', TEMPLATES))


@pytest.mark.parametrize(("table", "names"), [("job update", OF_JOBS), ("task update", OF_TASKS)])
def test_the_guide_lists_every_name(table: str, names: set[str]) -> None:
    assert listed(table) == names


@pytest.mark.parametrize(("typedef", "names"), [("OfJob", OF_JOBS), ("OfTask", OF_TASKS)])
def test_the_scripts_declare_every_name(typedef: str, names: set[str]) -> None:
    assert declared(typedef) == names


def test_every_name_in_scripts_and_templates_is_a_name_of_a_message() -> None:
    in_templates = set(re.findall(r'update_data\("(\w+)"\)', TEMPLATES))
    assert asked_for() | in_templates <= NAMES


def test_pages_use_every_name() -> None:
    assert asked_for() | drawn() >= NAMES
    kinds = SCRIPTS.split("const KINDS = {")[1].split("\n};")[0]
    assert drawn() <= set(re.findall(r"^  (\w+)[,:]", kinds, re.MULTILINE))


def test_the_program_writes_these_names_nowhere_else() -> None:
    written: list[str] = []
    used: set[str] = set()
    for path in (TOP / "digits").rglob("*.py"):
        if "caffe" in path.parts:
            continue  # knows no messages, and is large
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="mark_changed" | "update_data")):
                    values = [*node.args, *(keyword.value for keyword in node.keywords)]
                    written += [ast.unparse(each) for each in values if is_text(each)]
                case ast.keyword(arg="update", value=ast.Constant()):
                    written.append(ast.unparse(node))
                case ast.Attribute(value=ast.Name(id="Update"), attr=name):
                    used.add(name)
    assert written == []
    assert used == {update.name for update in Update}


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
