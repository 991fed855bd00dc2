"""The lock files: every package that DIGITS takes from an index, with its version and its hashes.

    requirements.lock         what DIGITS runs with, except PyTorch
    requirements_torch.lock   PyTorch: the hashes of its build for CUDA and of that for CPUs alone
    requirements_cuda.lock    the libraries that the build for CUDA needs and the other does not
    requirements_pip.lock     pip, where Python brings none
    requirements_npm.lock     npm, where the system has none
    requirements_test.lock    what tests and linters need on top

In: such a file.  Out: what is locked, or the file's text.  `lock.py` makes them, `set_up.py`
installs from them: this module needs the standard library alone.

A hash is that of a file for Linux, for x86_64 or aarch64 and one of the Pythons below, or of a
source archive.  What pip does not find among them it refuses (`--require-hashes`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

INPUTS = (
    "requirements.txt",
    "requirements_build.txt",
    "requirements_npm.txt",
    "requirements_test.txt",
)
LOCKS = {
    "requirements.lock": ("requirements.txt", "requirements_build.txt"),
    "requirements_torch.lock": ("requirements.txt",),
    "requirements_cuda.lock": ("requirements.txt",),
    "requirements_pip.lock": ("requirements_build.txt",),
    "requirements_npm.lock": ("requirements_npm.txt",),
    "requirements_test.lock": ("requirements_test.txt",),
}
MACHINES = ("aarch64", "x86_64")
PYTHONS = (11, 12, 13, 14)  # of 3.x

_DIGEST = re.compile(r"(?m)^# Of inputs with the digest (\w+)\.$")
_LOCKED = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.*?))? ?\\?")
_FACTS = re.compile(r"# (?P<wheels>[^;]*); for (?P<parents>.*)")
_FILE = re.compile(r"#   (?P<digest>[0-9a-f]{64})  (?P<name>\S+\.whl)")
_HASH = re.compile(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?")


@dataclass(frozen=True)
class Locked:
    """One package of a lock file."""

    name: str
    version: str
    hashes: tuple[str, ...]  # sha256, in hex
    wheels: str  # the machines that have wheels: see `lock.wheels_of`
    parents: tuple[str, ...]  # the packages and files that ask for it
    marker: str = ""  # where it is needed; empty: everywhere
    files: tuple[tuple[str, str], ...] = ()  # (hash, name) of those that an index of its own has

    def __str__(self) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        named = [f"#   {digest}  {name}" for digest, name in self.files]
        lines = [f"{self.name}=={self.version}{marker}"]
        lines += [f"    --hash=sha256:{digest}" for digest in self.hashes]
        facts = f"# {self.wheels}; for {', '.join(self.parents)}"
        return "\n".join([facts, *named, " \\\n".join(lines)])


def canonical(name: str) -> str:
    """A package's name as indices spell it: python_socketio is python-socketio."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_in(path: Path) -> list[str]:
    """The requirements of a file for pip, without comments."""
    lines = (line.partition(" #")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def name_of(requirement: str) -> str:
    """The package that a requirement such as `gunicorn[gevent]==27.0.1` names."""
    found = re.match(r"[\w.-]+", requirement)
    if found is None:
        raise ValueError(f"{requirement!r} does not begin with the name of a package")
    return canonical(found[0])


def digest_of(root: Path, names: Iterable[str] = INPUTS) -> str:
    """What the locks were made from: changes when a requirement does, not with a comment."""
    lines = [f"{name}: {line}" for name in names for line in requirements_in(root / name)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def text_of(lock: str, packages: Iterable[Locked], digest: str) -> str:
    """The file `lock`."""
    head = [
        f"# Made by `make lock` from {' and '.join(LOCKS[lock])}: change those, not this file.",
        f"# Of inputs with the digest {digest}.",
    ]
    return "\n".join([*head, *(f"\n{package}" for package in packages), ""])


def digest_in(path: Path) -> str:
    """The digest of the inputs that a lock file was made from; empty when it names none."""
    found = _DIGEST.search(path.read_text())
    return found[1] if found else ""


def stale_in(root: Path) -> list[str]:
    """The lock files that were made from other requirements than those that stand there now."""
    digest = digest_of(root)
    return [lock for lock in LOCKS if digest_in(root / lock) != digest]


def read(path: Path) -> list[Locked]:
    """The packages of a lock file; ValueError names a line that is none of such a file's."""
    found: list[Locked] = []
    facts: re.Match[str] | None = None
    files: list[tuple[str, str]] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if match := _FACTS.fullmatch(line):
            facts, files = match, []
        elif match := _FILE.fullmatch(line):
            files.append((match["digest"], match["name"]))
        elif match := _HASH.fullmatch(line):
            found[-1] = _with_hash(found[-1], match[1])
        elif facts and (match := _LOCKED.fullmatch(line)):
            found.append(_package(match, facts, files))
        elif line and not line.startswith("#"):
            raise ValueError(f"{path}:{number}: no line of a lock file: {line!r}. Run `make lock`.")
    return found


def _package(line: re.Match[str], facts: re.Match[str], files: Iterable[tuple[str, str]]) -> Locked:
    return Locked(
        name=line["name"],
        version=line["version"],
        hashes=(),
        wheels=facts["wheels"],
        parents=tuple(facts["parents"].split(", ")),
        marker=line["marker"] or "",
        files=tuple(files),
    )


def _with_hash(package: Locked, digest: str) -> Locked:
    return replace(package, hashes=(*package.hashes, digest))
