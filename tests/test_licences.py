"""docs/licences.md names every package and program; nothing of others stands in the repository."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import licences
import lock_files
import pytest
import set_up

TOP = Path(__file__).parent.parent
PAGE = (TOP / licences.PAGE).read_text()
# Fonts, archives, databases, weights, recorded arrays; minified or bundled scripts and styles.
OTHERS = re.compile(
    r".*\.(woff2?|ttf|otf|eot|gz|zip|tar|mdb|h5|npz|npy|pt|onnx|caffemodel|binaryproto|whl)"
    r"|.*\.(min|bundle|iife|pkgd)\..*|.*(synset|imagenet).*|.*labels\.txt"
)


def test_the_page_says_what_the_installed_packages_say() -> None:
    assert licences.page(TOP) == PAGE, "run `make licences`"


def test_every_locked_package_has_a_licence() -> None:
    locked = {package.name for lock in lock_files.LOCKS for package in lock_files.read(TOP / lock)}
    npm = {
        place.rpartition("node_modules/")[2]
        for place in json.loads((TOP / "package-lock.json").read_text())["packages"]
        if place
    }
    known = dict(licences.rows_in(PAGE))
    assert sorted((locked | npm) - known.keys()) == []
    assert "not stated" not in PAGE


def test_every_program_that_is_installed_is_named() -> None:
    image = (TOP / "deploy" / "Dockerfile").read_text()
    (in_image,) = re.findall(r"--no-install-recommends (.*?) *\\$", image, re.M)
    packages = {*set_up.TEST_PROGRAMS.values(), *set_up.TEST_LIBRARIES.values(), *in_image.split()}
    assert [name for name in sorted(packages) if f"`{name}`" not in PAGE] == []


def test_nothing_that_packages_bring_stands_in_the_repository() -> None:
    """tests/ has recordings of what Caffe computed of made-up numbers; nothing else does."""
    folders = ("digits", "templates", "static", "docs", "scripts", "deploy", "benchmarks")
    vendor = TOP / "static" / "vendor"  # fetched at set-up, and not in git
    files = [path for folder in folders for path in (TOP / folder).rglob("*") if path.is_file()]
    own = [path for path in files if not path.is_relative_to(vendor)]
    assert len(own) > 500
    assert [path for path in own if OTHERS.fullmatch(path.name.lower())] == []
    assert "static/vendor/" in (TOP / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other\n", "MIT OR Apache-2.0"),
        ("License: BSD 3-Clause License\n", "BSD-3-Clause"),
        ("License: Copyright 2020 Somebody\n", ""),
        ("License: Copyright\nClassifier: License :: OSI Approved :: MIT License\n", "MIT"),
        ("Classifier: License :: DFSG approved\n", ""),
        ("License: " + "long text " * 20 + "\n", ""),
        ("", ""),
    ],
)
def test_a_licence_is_read_from_a_packages_metadata(
    tmp_path: Path, metadata: str, expected: str
) -> None:
    folder = tmp_path / "tiny-1.0.dist-info"
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n{metadata}"
    (folder / "METADATA").write_text(text)
    assert licences.licence_of(importlib.metadata.PathDistribution(folder)) == expected


def test_a_package_that_nobody_knows_is_told_and_a_known_one_keeps_its_row(tmp_path: Path) -> None:
    package = lock_files.Locked("nvidia-new", "1", ("0" * 64,), "any machine", ("torch",))
    lock = tmp_path / "requirements_cuda.lock"
    lock.write_text(lock_files.text_of("requirements_cuda.lock", [package], "abc"))
    known = {"nvidia-new": "proprietary"}
    assert list(licences.python_rows(lock, {}, known)) == [("nvidia-new", "proprietary", "torch")]
    with pytest.raises(licences.LicenceError, match="nvidia-new of requirements_cuda.lock.*--also"):
        list(licences.python_rows(lock, {}, {}))
