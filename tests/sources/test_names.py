"""Names and rules that several rooms need stand in one of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import digits

PACKAGE = Path(digits.__file__).parent


def defining(name: str) -> list[str]:
    """The modules with a function or a constant of this name at their top."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_bytes()).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if name in names or getattr(node, "name", None) == name:
                found.append(str(path.relative_to(PACKAGE)))
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
def test_a_rule_stands_in_one_module(name: str, module: str) -> None:
    assert defining(name) == [module]
