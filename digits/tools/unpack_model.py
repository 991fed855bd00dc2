"""Unpack the archive of a trained model: a zip, or a tar (plain, gzip, bzip2, xz).

Only what a model is made of is unpacked: networks, weights, labels, the mean, info.json, the log.
All of it comes to lie in OUT_DIR, which must be empty or missing, whatever folders it was in.  The
names of everything that the archive holds stand in OUT_DIR/members.json.

  python -m digits.tools.unpack_model model.tar.gz model
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path, PurePosixPath

from digits.base.program import end_with, limit_memory, parser_for, run_program
from digits.caffe.data.augmentation import AUGMENTATION_FILE
from digits.errors import ToolError
from digits.sources.archives import Budget, archive_errors, members
from digits.sources.folders import is_ignored

# The names of all that the archive holds.
MEMBERS_FILE = "members.json"
INFO_FILE = "info.json"
# Networks and solvers, weights, the mean, labels, logs.
SUFFIXES = frozenset({".prototxt", ".pbtxt", ".caffemodel", ".h5", ".binaryproto", ".txt", ".log"})
# An archive of a model has ten.
MOST_FILES = 1000


def unpack(archive: Path, out_dir: Path, name: str = "") -> str:
    """Unpack the files of a model from `archive`, which messages call `name`.

    Raises ToolError or OSError; what has been unpacked by then stays.
    """
    name = name or archive.name
    size = archive.stat().st_size
    if not size:
        raise ToolError(f"{name} is empty: it has 0 bytes. Was it downloaded to its end?")
    out_dir.mkdir(parents=True, exist_ok=True)
    budget = Budget.of_disk(size, out_dir, "the files of a model")
    found: list[PurePosixPath] = []
    taken: dict[str, PurePosixPath] = {}
    with archive_errors(name):
        for member in members(archive):
            found.append(member.name)
            if len(found) > MOST_FILES:
                raise ToolError(
                    f"{name} holds more than {MOST_FILES:,} files, so it is no archive of a model."
                )
            if not _is_part(member.name):
                continue
            _require_one(member.name, taken)
            budget.add(PurePosixPath(member.name.name))
            with (out_dir / member.name.name).open("xb") as file:
                budget.copy(member.file, file)
    (out_dir / MEMBERS_FILE).write_text(json.dumps([str(path) for path in found]), "utf-8")
    return f"{len(taken)} files in {out_dir}."


def _is_part(path: PurePosixPath) -> bool:
    """Whether a file of the archive may belong to a model of Caffe."""
    if not path.name or any(is_ignored(part) for part in path.parts):
        return False
    return path.name in (INFO_FILE, AUGMENTATION_FILE) or path.suffix.lower() in SUFFIXES


def _require_one(path: PurePosixPath, taken: dict[str, PurePosixPath]) -> None:
    first = taken.setdefault(path.name, path)
    if first is not path:
        raise ToolError(
            f"The archive holds {path.name} twice ({first} and {path}). Put one model into an "
            "archive, and each of its files once."
        )


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "unpack_model")
    parser.add_argument("archive", metavar="ARCHIVE", type=Path)
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path)
    parser.add_argument("--name", default="", help="what messages call the archive [its own name]")
    parser.add_argument(
        "--parent", type=int, help="the process with which this program ends [it stands alone]"
    )
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    if given.parent is not None:
        end_with(given.parent)
    limit_memory()
    run_program(lambda: unpack(given.archive, given.out_dir, given.name))


if __name__ == "__main__":
    main()
