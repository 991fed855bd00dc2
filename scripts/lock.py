"""Renew the lock files: `make lock`, after a change of a requirements file.

    .venv/bin/python scripts/lock.py [--upgrade [NAME ...]] [--cpu-torch PLACE]

uv resolves all requirements files at once, for Linux on x86_64 and aarch64 and every Python from
3.11, from the index that pip is configured for.  Versions that are locked stay unless a requirement
or --upgrade says otherwise.  PyTorch's build for CPUs stands in an index of its own: --cpu-torch
names that index, or a folder of wheels; it is needed when PyTorch's version changes, and otherwise
the hashes stay as they are.  docs/decisions/0013 tells why there are several files.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import lock_files
from lock_files import INPUTS, LOCKS, MACHINES, PYTHONS, Locked
from packaging.markers import Marker
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
TORCH = "torch"
# What NVIDIA's libraries are called; PyTorch's build for CPUs asks for none of them.
CUDA = re.compile(r"(cuda|nvidia|triton)\b.*")
ANY_MACHINE = "any machine"

Files = Mapping[str, str]  # file name -> sha256


class LockError(Exception):
    """The locks cannot be made; says what to do."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--upgrade", nargs="*", metavar="NAME", help="take newer versions")
    parser.add_argument("--cpu-torch", metavar="PLACE", help="index or folder of the CPU build")
    options = parser.parse_args(arguments)
    try:
        packages = resolve(ROOT, options.upgrade)
        write(ROOT, packages, options.cpu_torch)
    except LockError as error:
        print(f"lock: {error}", file=sys.stderr)
        return 1
    return 0


def write(root: Path, packages: Mapping[str, Locked], cpu_torch: str | None) -> None:
    """Write every lock file, after all that may fail."""
    torch = packages[TORCH]
    files = cpu_build(root, cpu_torch, torch.version)
    divided = divide({**packages, TORCH: with_files(torch, files)})
    digest = lock_files.digest_of(root)
    for lock, names in divided.items():
        locked = [packages[name] if name != TORCH else with_files(torch, files) for name in names]
        (root / lock).write_text(lock_files.text_of(lock, locked, digest))
        print(f"{lock}: {len(locked)} packages")


# What uv says ----------------------------------------------------------------------------------


def resolve(root: Path, upgrade: list[str] | None = None) -> dict[str, Locked]:
    """Every package that the inputs ask for, by name."""
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        # uv prefers the versions that stand in the file that it is to write.
        pins.write_text("" if upgrade == [] else _pins(root))
        text = _uv(root, pins, *(word for name in upgrade or [] for word in ("-P", name)))
        parents = parents_in(text)
        found = re.findall(r"(?m)^([\w.-]+==\S+)", text)
        exact = Path(folder) / "exact.txt"
        exact.write_text("\n".join(found))
        _uv(root, Path(folder) / "pylock.toml", "-c", str(exact), "--format", "pylock.toml")
        document = tomllib.loads((Path(folder) / "pylock.toml").read_text())
    return {entry["name"]: _locked(entry, parents[entry["name"]]) for entry in document["packages"]}


def _pins(root: Path) -> str:
    paths = [root / lock for lock in LOCKS if (root / lock).exists()]
    locked = [package for path in paths for package in lock_files.read(path)]
    return "".join(f"{package.name}=={package.version}\n" for package in locked)


def _uv(root: Path, output: Path, *options: str) -> str:
    """What uv makes of all inputs, written to `output`."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "compile", *INPUTS, "--universal", "--python-version", "3.11"]
    command += ["--fork-strategy", "fewest", "--quiet", "--output-file", str(output), *options]
    try:
        result = subprocess.run(
            command, cwd=root, env=_environment(), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise LockError(f"{uv} is missing: run scripts/set-up --tests first") from None
    if result.returncode:
        raise LockError(f"uv finds no versions that go together:\n{result.stderr}")
    return output.read_text()


def _environment() -> dict[str, str]:
    """The environment, with pip's index and certificates under the names that uv knows."""
    environment = dict(os.environ)
    for setting, name in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        command = [sys.executable, "-m", "pip", "config", "get", f"global.{setting}"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0 and answer.stdout.strip():
            environment.setdefault(name, answer.stdout.strip())
    return environment


def parents_in(text: str) -> dict[str, tuple[str, ...]]:
    """Who asks for each package of uv's output: other packages, and files without `-r`."""
    parents: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if found := re.match(r"([\w.-]+)==", line):
            name = found[1]
            parents[name] = []
        elif found := re.fullmatch(r"    #(?: via|  ) (?:-r )?(?P<who>\S+)", line):
            parents[name].append(found["who"])
    return {name: tuple(found) for name, found in parents.items()}


def _locked(entry: Mapping[str, Any], parents: tuple[str, ...]) -> Locked:
    wheels = {_file_name(wheel): str(wheel["hashes"]["sha256"]) for wheel in entry["wheels"]}
    kept = {name: digest for name, digest in wheels.items() if any(places_of(name))}
    source = [entry["sdist"]["hashes"]["sha256"]] if "sdist" in entry else []
    return Locked(
        name=entry["name"],
        version=entry["version"],
        hashes=tuple(sorted([*kept.values(), *source])),
        wheels=wheels_of(kept),
        parents=parents,
        marker=marker_of(entry.get("marker", "")),
    )


def _file_name(wheel: Mapping[str, Any]) -> str:
    return urllib.parse.unquote(wheel["url"].rpartition("/")[2])


def marker_of(marker: str) -> str:
    """A marker as it stands in a lock; empty where it holds on every machine and Python."""
    if not marker or all(Marker(marker).evaluate(env) for env in environments()):
        return ""
    machines = [m for m in MACHINES if any(map(Marker(marker).evaluate, environments([m])))]
    pythons = [p for p in PYTHONS if any(map(Marker(marker).evaluate, environments(pythons=[p])))]
    parts = []
    if len(machines) < len(MACHINES):
        parts.append(f"platform_machine == '{machines[0]}'")
    if pythons[0] != PYTHONS[0]:
        parts.append(f"python_version >= '3.{pythons[0]}'")
    if pythons[-1] != PYTHONS[-1]:
        parts.append(f"python_version < '3.{pythons[-1] + 1}'")
    return " and ".join(parts)


def environments(
    machines: Iterable[str] = MACHINES, pythons: Iterable[int] = PYTHONS
) -> Iterator[dict[str, str]]:
    """What markers are asked for: CPython on Linux, on each machine, in each version."""
    for machine, python in itertools.product(machines, pythons):
        yield {
            "platform_machine": machine,
            "python_version": f"3.{python}",
            "python_full_version": f"3.{python}.0",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "extra": "",
        }


# Which machine takes which wheel ---------------------------------------------------------------


def places_of(wheel: str) -> set[tuple[str, int]]:
    """The machines and Pythons that take a wheel, by its name."""
    try:
        tags = parse_wheel_filename(wheel)[3]
    except InvalidWheelFilename as error:
        raise LockError(f"{wheel} is no name of a wheel: {error}") from error
    return {
        (machine, python)
        for machine, python, tag in itertools.product(MACHINES, PYTHONS, tags)
        if _is_for_machine(tag, machine) and _is_for_python(tag, python)
    }


def _is_for_machine(tag: Tag, machine: str) -> bool:
    """glibc's Linux only: PyTorch has no wheels for musl."""
    is_glibc = tag.platform.startswith(("manylinux", "linux"))
    return tag.platform == "any" or (is_glibc and tag.platform.endswith(f"_{machine}"))


def _is_for_python(tag: Tag, python: int) -> bool:
    own = f"cp3{python}"
    if tag.interpreter == own:
        return tag.abi in (own, "abi3", "none")
    if tag.abi == "abi3":
        found = re.fullmatch(r"cp3(\d+)", tag.interpreter)
        return found is not None and int(found[1]) <= python
    return tag.abi == "none" and tag.interpreter == "py3"


def wheels_of(wheels: Collection[str]) -> str:
    """For what machines and Pythons there are wheels; elsewhere pip builds from source."""
    if any(name.endswith("-none-any.whl") for name in wheels):
        return ANY_MACHINE
    places = set().union(*map(places_of, wheels))
    parts = []
    for machine in MACHINES:
        pythons = [python for python in PYTHONS if (machine, python) in places]
        if pythons == list(PYTHONS):
            parts.append(machine)
        elif pythons:
            parts.append(f"{machine} ({', '.join(f'3.{python}' for python in pythons)})")
    return f"wheels for {', '.join(parts)}" if parts else "source alone"


# Which file a package stands in ----------------------------------------------------------------


def divide(packages: Mapping[str, Locked]) -> dict[str, list[str]]:
    """The names in each lock file; a package stands in the first one that needs it."""
    direct = {name for name, package in packages.items() if set(package.parents) & set(INPUTS)}
    cuda = {name for name in packages if CUDA.fullmatch(name)} - direct
    needed = {
        "requirements_torch.lock": {TORCH},
        "requirements_cuda.lock": cuda,
        "requirements_pip.lock": {"pip"},
        **{lock: needed_by(packages, inputs) for lock, inputs in LOCKS.items() if "_" not in lock},
        "requirements_npm.lock": needed_by(packages, LOCKS["requirements_npm.lock"]),
        "requirements_test.lock": needed_by(packages, LOCKS["requirements_test.lock"]),
    }
    taken: set[str] = set()
    divided = {}
    for lock, names in needed.items():
        divided[lock] = sorted(names - taken)
        taken |= names
    if left := packages.keys() - taken:
        raise LockError(f"nothing asks for {', '.join(sorted(left))}: is uv's output read right?")
    return {lock: divided[lock] for lock in LOCKS}


def needed_by(packages: Mapping[str, Locked], inputs: Iterable[str]) -> set[str]:
    """What files of requirements ask for, by way of other packages too."""
    needed: set[str] = set(inputs)
    while True:
        more = {n for n, package in packages.items() if needed & set(package.parents)} - needed
        if not more:
            return needed - set(inputs)
        needed |= more


# PyTorch's build for CPUs ----------------------------------------------------------------------


def with_files(torch: Locked, files: Files) -> Locked:
    """PyTorch with the hashes of another build's files."""
    named = tuple(sorted((digest, name) for name, digest in files.items()))
    hashes = tuple(sorted({*torch.hashes, *files.values()}))
    return replace(torch, hashes=hashes, files=named)


def cpu_build(root: Path, place: str | None, version: str) -> Files:
    """The files of the CPU build: those that are locked already, and those of a place."""
    files = {**kept_files(root, version), **(cpu_files(place, version) if place else {})}
    if not files:
        raise LockError(
            f"no hashes are known of PyTorch {version} for CPUs: give its index, or a folder of "
            "wheels, by --cpu-torch (make lock CPU_TORCH=...)"
        )
    return files


def kept_files(root: Path, version: str) -> Files:
    """The files of the CPU build that are locked, where the version is still the same."""
    lock = root / "requirements_torch.lock"
    locked = lock_files.read(lock) if lock.exists() else []
    return {name: sha for each in locked if each.version == version for sha, name in each.files}


def cpu_files(place: str, version: str) -> Files:
    """The wheels of the CPU build in a folder, or in an index that says their hashes."""
    folder = Path(place)
    found = dict(_files_in(folder) if folder.is_dir() else _files_of_index(place))
    prefix = f"torch-{version}+cpu-"
    files = {
        name: digest
        for name, digest in found.items()
        if name.startswith(prefix) and any(places_of(name))
    }
    if not files:
        raise LockError(f"{place} has no wheel {prefix}*.whl for Linux")
    return files


def _files_in(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("torch-*.whl")):
        with path.open("rb") as file:
            yield path.name, hashlib.file_digest(file, "sha256").hexdigest()


def _files_of_index(url: str) -> Iterator[tuple[str, str]]:
    page = url.rstrip("/") + "/torch/"
    try:
        with urllib.request.urlopen(page, timeout=60) as answer:  # noqa: S310 - named by whoever runs it
            links = _Links(answer.read().decode())
    except (OSError, ValueError) as error:
        raise LockError(f"{page} cannot be read: {error}") from error
    for link in links.found:
        address, _, fragment = link.partition("#sha256=")
        if fragment:
            yield urllib.parse.unquote(address.rpartition("/")[2]), fragment


class _Links(HTMLParser):
    """The addresses that a page leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name == "href" and value]


if __name__ == "__main__":
    sys.exit(main())
