"""Names and rules that several rooms need stand in one of them."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import digits

PACKAGE = Path(digits.__file__).parent


@pytest.fixture(scope="module")
def defining() -> dict[str, list[str]]:
    """The modules that have a function, a class or a constant of a name at their top."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_bytes()).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign):
                targets = [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            for name in names | {getattr(node, "name", "")}:
                found[name].append(str(path.relative_to(PACKAGE)))
    return found


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("LABELS_FILE", "sources/picture_list.py"),
        ("SPLITS", "sources/picture_list.py"),
        ("is_url", "sources/picture_list.py"),
        ("PathPolicy", "sources/paths.py"),
        ("MEAN_FILE", "dataset/images/classification/job.py"),
        ("is_hdf5", "caffe/nets/weights_hdf5.py"),
        ("written_whole", "caffe/formats/files.py"),
        ("check_rules", "caffe/nets/rules.py"),
    ],
)
def test_a_rule_stands_in_one_module(
    defining: dict[str, list[str]], name: str, module: str
) -> None:
    assert defining[name] == [module]
