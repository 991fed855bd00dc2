"""The tree in the guide to the architecture is the real one."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
GUIDE = (TOP / "docs" / "architecture.md").read_text()
TREE = GUIDE.split("```")[1]
# What stands before two spaces are names; what follows says what they are.
LINE = re.compile(r"^( *)((?:[\w./-]+ )*[\w./-]+)(?:  |$)")


def named_paths() -> list[Path]:
    """What the tree names, each below the folders that its indentation says."""
    found: list[Path] = []
    parents: list[tuple[int, Path]] = [(-1, TOP)]
    for line in TREE.strip("\n").splitlines():
        match = LINE.match(line)
        assert match is not None, line
        indent = len(match[1])
        while parents[-1][0] >= indent:
            parents.pop()
        paths = [parents[-1][1] / name for name in match[2].split()]
        parents.append((indent, paths[0]))
        found += paths
    return found


def rooms(folder: Path) -> set[Path]:
    """The packages right below a folder."""
    return {path.parent for path in folder.glob("*/__init__.py")}


def test_everything_that_the_tree_names_is_there() -> None:
    assert [path for path in named_paths() if not path.exists()] == []


def test_every_room_is_in_the_tree() -> None:
    named = set(named_paths())
    package = TOP / "digits"
    assert rooms(package) | rooms(package / "caffe") <= named
    assert rooms(package / "model") - {package / "model" / "images"} <= named


def test_every_module_above_the_rooms_is_in_the_tree() -> None:
    modules = set((TOP / "digits").glob("*.py")) - {TOP / "digits" / "__init__.py"}
    assert modules <= set(named_paths())


def test_the_floors_of_the_guide_are_those_of_the_contract() -> None:
    contract = re.search(
        r'id = "floors".*?layers = \[(.*?)\]', (TOP / "pyproject.toml").read_text(), re.S
    )
    assert contract is not None
    in_contract = re.findall(r"\w+", contract[1])
    table = GUIDE.split("## The floors")[1].split("Rooms of one floor")[0]
    assert re.findall(r"`(\w+)`", table) == in_contract
