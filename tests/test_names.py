"""What docstrings and guides name is there: files, modules, and what modules hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PACKAGES = ("digits", "tests", "scripts", "benchmarks")
GUIDES = [
    *(TOP / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((TOP / "docs").rglob("*.md")),
]
MODULES = [
    path
    for package in PACKAGES
    for path in sorted((TOP / package).rglob("*.py"))
    if "data" not in path.relative_to(TOP).parts[:-1] or path.is_relative_to(TOP / "digits")
]
# Where a name without folders may stand, beside the folders around the one who names it.
ROOMS = (
    "",
    "digits",
    "digits/caffe",
    "templates",
    "static",
    "static/js",
    "static/css",
    "docs",
    "scripts",
    "templates/models/images/classification",
    "tests/plugin",
    "tests/plugin/digits_lines/points",
    "tests/plugin/digits_lines/templates",
)
FILE = re.compile(r"(?<![\w./<*{-])((?:[\w-]+/)*[\w-]+\.(?:py|html|js|css|md|toml))\b(?![\w(*])")
FOLDER = re.compile(
    r"`((?:digits|tests|templates|static|docs|scripts|benchmarks|deploy)/[\w/-]*/?)`"
)
MODULE = re.compile(r"(?<![\w./-])(digits(?:\.[A-Za-z_]\w*)+)")
# Not files of this project: what a download holds, Caffe's programs, libraries of such names.
ELSEWHERE = {
    "classify.py",  # in an archive, as `digits/model/download/classify_script.py` here
    "model/classify.py",
    "python/classify.py",
    "python/detect.py",
    "python/draw_net.py",
    "python/train.py",
    "detect.py",
    "download_model_binary.py",
    "draw_net.py",
    "extract_seconds.py",
    "parse_log.py",
    "plot_training_log.py",
    "resize_and_crop_images.py",
    "summarize.py",
    "tools/extra/extract_seconds.py",
    "tools/extra/parse_log.py",
    "tools/extra/plot_training_log.py",
    "tools/extra/summarize.py",
    "train.py",
    "script.py",  # whoever's
    "pytables.py",
    "Node.js",
    "Chart.js",
    "billboard.js",
}
# Names that only look like modules.
NO_MODULES = {"digits.cfg", "digits.service", "digits.tools.PROGRAM", "digits.caffe.tools.NAME"}


def docstrings(path: Path) -> Iterator[str]:
    """Every docstring of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def is_there(name: str, named_in: Path) -> bool:
    """Whether a file or folder exists, from the folder that names it up, or in a room."""
    around = [folder for folder in named_in.parents if folder.is_relative_to(TOP)]
    return any((folder / name).exists() for folder in [*around, *(TOP / room for room in ROOMS)])


@cache
def holds(module: str) -> bool:
    """Whether a dotted name is a module, or something that one defines."""
    parts = module.split(".")
    for count in range(len(parts), 0, -1):
        path = TOP.joinpath(*parts[:count])
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if source.is_file():
            return count == len(parts) or parts[count] in source.read_text()
    return False


def missing(text: str, named_in: Path) -> list[str]:
    """What a text names that is not there."""
    files = {name for name in FILE.findall(text) if name not in ELSEWHERE}
    files |= set(FOLDER.findall(text))
    modules = {name for name in MODULE.findall(text) if name not in NO_MODULES}
    modules = {name for name in modules if not name.endswith((".py", ".html", ".js"))}
    return sorted(
        [name for name in files if not is_there(name, named_in)]
        + [name for name in modules if not holds(name)]
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_name_what_there_is(package: str) -> None:
    wrong = {
        str(path.relative_to(TOP)): found
        for path in MODULES
        if path.is_relative_to(TOP / package)
        and (found := missing("\n".join(docstrings(path)), path))
    }
    assert wrong == {}


@pytest.mark.parametrize("guide", GUIDES, ids=[str(path.relative_to(TOP)) for path in GUIDES])
def test_guides_name_what_there_is(guide: Path) -> None:
    assert missing(guide.read_text(), guide) == []
