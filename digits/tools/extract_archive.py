"""Unpack an archive of class folders: a zip, or a tar (plain, gzip, bzip2, xz).

Only pictures are unpacked.  A folder that wraps all the others is taken away, so that OUT_DIR has
the class folders in it.  OUT_DIR is made whole or not at all.

With --remove, ARCHIVE is removed once everything is unpacked; where it is gone and OUT_DIR is
there, that has happened before, and nothing is left to do.  An OUT_DIR that holds something is
replaced only then: it may be that of a run that was killed just before it removed ARCHIVE.

  python -m digits.tools.extract_archive photos.zip photos
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from digits.base.program import limit_memory, parser_for, run_program
from digits.base.progress import ProgressMeter, log, log_skipped
from digits.base.relative_paths import problem_of
from digits.errors import ToolError
from digits.sources.archives import Budget, Member, archive_errors, members
from digits.sources.folders import has_picture_extension, is_ignored, starts_like_a_picture
from digits.sources.picture_list import cannot_be_listed
from digits.tools.building import building

_WRAPPER = ".wrapper"
_MEGABYTE = 1_000_000


def extract(archive: Path, out_dir: Path, name: str = "", *, replace: bool = False) -> str:
    """Unpack the pictures of `archive`, which messages call `name`.

    `out_dir` must be empty or missing unless `replace` is true.
    Raises ToolError or OSError; then nothing is left of what was unpacked.
    """
    name = name or archive.name
    if not archive.is_file():
        raise ToolError(f"There is no file {archive}.")
    size = archive.stat().st_size
    # Read, not unpacked: only that is known before the end, and moves evenly.
    meter = ProgressMeter("MB", -(-size // _MEGABYTE))
    pictures = 0
    with building(out_dir, lambda _: replace) as folder:
        budget = Budget.of_disk(size, folder, "pictures")
        with archive_errors(name):
            for member in members(archive):
                meter.add(max(0, member.offset // _MEGABYTE - meter.done))
                pictures += _extract_member(member, folder, budget)
        if not pictures:
            raise ToolError(f"There is no picture in {name}.")
        _unwrap(folder)
    return f"{pictures} pictures in {out_dir}."


def _extract_member(member: Member, folder: Path, budget: Budget) -> bool:
    """Write a file of the archive if it is a picture; answers whether it is."""
    name = member.name
    if any(is_ignored(part) for part in name.parts) or not name.parts:
        return False
    first = b""
    if not has_picture_extension(name.name):
        # A web page called a picture by its first bytes would be served as a web page.
        first = member.file.read(16)
        if name.suffix or not starts_like_a_picture(first):
            return False
    if problem := cannot_be_listed(str(name)) or problem_of(str(name)):
        log_skipped(str(name), problem)
        return False
    budget.add(name)
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(first)
            budget.copy(member.file, file)
    except (FileExistsError, NotADirectoryError):
        log_skipped(str(name), "the archive has something of that name already")
        return False
    return True


def _unwrap(folder: Path) -> None:
    """Move the class folders up while a single folder holds all of them."""
    while True:
        entries = list(folder.iterdir())
        if len(entries) != 1 or not entries[0].is_dir():
            return
        if not any(entry.is_dir() for entry in entries[0].iterdir()):
            return
        log.info("The folder %r wraps all others; it is taken away.", entries[0].name)
        # Renamed first: a class folder may have the wrapper's name.
        wrapper = entries[0].rename(folder / _WRAPPER)
        for entry in list(wrapper.iterdir()):
            entry.rename(folder / entry.name)
        os.rmdir(wrapper)


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "extract_archive")
    parser.add_argument("archive", metavar="ARCHIVE", type=Path)
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="made")
    parser.add_argument("--name", default="", help="what messages call the archive [its own name]")
    parser.add_argument("--remove", action="store_true", help="remove ARCHIVE once it is unpacked")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    limit_memory()

    def program() -> str:
        if given.remove and not given.archive.exists() and given.out_dir.is_dir():
            return f"{given.out_dir} was unpacked before."
        done = extract(given.archive, given.out_dir, given.name, replace=given.remove)
        if given.remove:
            given.archive.unlink(missing_ok=True)
        return done

    run_program(program)


if __name__ == "__main__":
    main()
