"""Make a release: `make release VERSION=1.2.0`.

    .venv/bin/python scripts/release.py VERSION [--date YYYY-MM-DD]

Dates what CHANGELOG.md has under Unreleased, sets digits.__version__, and builds dist/: the source
archive, the wheel made from it, the lock files, and the checksums of all.  Done again for the same
version it builds alone, the same files byte for byte.  All else must be committed, and the lock
files be those of the requirements.  The wheel has the pages, and the files of the browser's
packages that npm has brought as package-lock.json says, each with its licence.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import lock_files
import set_up

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = "CHANGELOG.md"
VERSION_FILE = "digits/__init__.py"
# For `pip install --require-hashes -r` before the wheel.
LOCKS = ("requirements.lock", "requirements_torch.lock", "requirements_cuda.lock")
CHECKSUMS = "SHA256SUMS"
# What set-up takes from the browser's packages, and git does not know of.
FETCHED = ("static/vendor", "vendor")

_SECTION = re.compile(r"(?m)^## (?P<version>\d+\.\d+\.\d+) - (?P<date>\d{4}-\d\d-\d\d)$")
_UNRELEASED = re.compile(r"(?ms)^## Unreleased\n(?P<changes>.*?)(?=^## |\Z)")
_VERSION = re.compile(r'(?m)^__version__ = "(?P<version>[^"]+)"$')


class ReleaseError(Exception):
    """The release cannot be made; says what to do."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", help="such as 1.2.0")
    parser.add_argument("--date", type=datetime.date.fromisoformat, help="other than today's")
    options = parser.parse_args(arguments)
    try:
        require_committed(ROOT)
        require_locks(ROOT)
        prepare(ROOT, options.version, options.date or datetime.date.today())
        files = build(ROOT, ROOT / "dist")
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failure:
        command = " ".join(map(str, failure.cmd))
        print(f"release: {command} ended with {failure.returncode}", file=sys.stderr)
        return 1
    print("\n".join(str(path.relative_to(ROOT)) for path in files))
    print(f"Look at the changes, then: git commit -am 'Release {options.version}' && ", end="")
    print(f"git tag v{options.version}")
    return 0


# What must be so before ------------------------------------------------------------------------


def require_committed(root: Path) -> None:
    """Raise ReleaseError when a file would be released that no commit has.

    Version and changelog may be changed: a release that stopped half-way has set them.
    """
    command = ["git", "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ReleaseError(f"a release is made of a git checkout: {result.stderr.strip()}")
    changed = [entry[3:] for entry in result.stdout.split("\0") if entry]
    if others := [name for name in changed if name not in (CHANGELOG, VERSION_FILE)]:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise ReleaseError(
            f"commit these first, or take them away: {', '.join(others[:5])}{more}. A release has "
            "what a commit has."
        )


def require_locks(root: Path) -> None:
    """Raise ReleaseError when requirements have changed and their lock files have not."""
    if stale := lock_files.stale_in(root):
        raise ReleaseError(f"{', '.join(stale)} were made from other requirements: run `make lock`")


# Version and changelog -------------------------------------------------------------------------


def prepare(root: Path, version: str, date: datetime.date) -> None:
    """Write version and date into the files, both or, with a ReleaseError, neither."""
    changelog = (root / CHANGELOG).read_text()
    present = version_of(root)
    if newest(changelog) == version:
        if _unreleased(changelog):
            raise ReleaseError(
                f"{version} is released, and {CHANGELOG} has more under Unreleased: give that a "
                "later version"
            )
    else:
        changelog = dated(changelog, version, date)
    if numbers(version) < numbers(present):
        raise ReleaseError(f"{version} is earlier than {present}, which {VERSION_FILE} says")
    source = (root / VERSION_FILE).read_text()
    (root / CHANGELOG).write_text(changelog)
    (root / VERSION_FILE).write_text(_VERSION.sub(f'__version__ = "{version}"', source))


def dated(changelog: str, version: str, date: datetime.date) -> str:
    """The changelog with what was unreleased under `version`, and an empty Unreleased above it."""
    if not re.fullmatch(r"(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){2}", version, re.ASCII):
        raise ReleaseError(f"{version!r} is no version such as 1.2.0")
    before = newest(changelog)
    if before and numbers(version) <= numbers(before):
        raise ReleaseError(f"{version} is not later than {before}, the newest in {CHANGELOG}")
    found = _UNRELEASED.search(changelog)
    changes = _unreleased(changelog)
    if found is None or not changes:
        raise ReleaseError(f"{CHANGELOG} has nothing under Unreleased")
    if changes.startswith(("#", "-")):
        raise ReleaseError(
            f"begin Unreleased in {CHANGELOG} with a sentence that says what the release brings"
        )
    section = f"## Unreleased\n\n## {version} - {date.isoformat()}\n\n{changes}\n\n"
    return (changelog[: found.start()] + section + changelog[found.end() :]).rstrip() + "\n"


def _unreleased(changelog: str) -> str:
    found = _UNRELEASED.search(changelog)
    return found["changes"].strip() if found else ""


def newest(changelog: str) -> str:
    """The version of the newest dated section; empty when there is none."""
    found = _SECTION.search(changelog)
    return found["version"] if found else ""


def numbers(version: str) -> tuple[int, ...]:
    """The three numbers of a version, without what may follow them (1.2.0.dev0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def date_of(changelog: str) -> datetime.date:
    """The date of the newest dated section; today when there is none."""
    found = _SECTION.search(changelog)
    return datetime.date.fromisoformat(found["date"]) if found else datetime.date.today()


def version_of(root: Path) -> str:
    """digits.__version__, without importing the package."""
    found = _VERSION.search((root / VERSION_FILE).read_text())
    if found is None:
        raise ReleaseError(f'{VERSION_FILE} has no line `__version__ = "..."`')
    return found["version"]


# Archives --------------------------------------------------------------------------------------


def build(root: Path, dist: Path) -> list[Path]:
    """Make the files of a release in `dist`, which is emptied, from what git knows of."""
    set_up.set_up(root, set_up.STEPS)  # FETCHED as package-lock.json says
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        copy_tracked(root, source)
        for name in FETCHED:
            shutil.copytree(root / name, source / name)
        archive = _build(source, "sdist", dist)
        _even_out(archive, _epoch(root))
        # From the archive, not from the checkout: what is not in it is missed here.
        with tarfile.open(archive) as tar:
            tar.extractall(folder)  # noqa: S202 - made a line above
        _build(Path(folder) / archive.name.removesuffix(".tar.gz"), "wheel", dist)
    for name in LOCKS:
        shutil.copy(root / name, dist)
    files = sorted(dist.iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    (dist / CHECKSUMS).write_text("\n".join([*lines, ""]))
    return [*files, dist / CHECKSUMS]


def copy_tracked(root: Path, target: Path) -> None:
    """Copy the files that git knows of, as they are now."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def _epoch(root: Path) -> int:
    """The seconds since 1970 that all files of a release are dated to: its day's beginning."""
    day = date_of((root / CHANGELOG).read_text())
    return int(datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC).timestamp())


def _even_out(archive: Path, epoch: int) -> None:
    """Write a tar.gz again without what differs between two machines: owners, times, rights."""
    with tarfile.open(archive) as tar:
        members = [(each, tar.extractfile(each)) for each in tar]
        plain = archive.with_suffix(".partial")
        with (
            plain.open("wb") as file,
            gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=epoch) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as even,
        ):
            for member, content in sorted(members, key=lambda each: each[0].name):
                is_program = member.isdir() or bool(member.mode & 0o100)
                member.uid = member.gid = 0
                member.uname = member.gname = "root"
                member.mtime, member.pax_headers = epoch, {}
                member.mode = 0o755 if is_program else 0o644
                even.addfile(member, content)
    plain.replace(archive)


def _build(source: Path, kind: str, dist: Path) -> Path:
    """Let the locked setuptools make a `wheel` or an `sdist`, and answer its path."""
    program = (
        "import sys\n"
        "from setuptools import build_meta\n"
        "print(getattr(build_meta, 'build_' + sys.argv[1])(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, kind, str(dist)]
    # By the clock of the release: wheels hold times.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(_epoch(source))}
    result = subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise ReleaseError(f"the {kind} cannot be built:\n{result.stderr}")
    return dist / result.stdout.splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main())
