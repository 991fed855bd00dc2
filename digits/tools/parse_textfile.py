"""Check lists of pictures that a user wrote, and bring them into the form that create_db reads.

A list has a picture a line, `path label`.  The path may hold spaces and be absolute, relative to
the folder (or URL) given with its list, or a URL; the label is a number and counts the lines of the
labels file from 0.  Written to OUT_DIR: labels.txt and train.txt, val.txt, test.txt with absolute
paths; a list that lies there already is replaced.  A few pictures of each list are looked for;
whether they can be read shows when the database is made.

  python -m digits.tools.parse_textfile out --labels names.txt --train mine.txt --val other.txt
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from digits.base.program import parser_for, run_program
from digits.base.progress import PURPOSES, ProgressMeter, found_pictures, log, log_distribution
from digits.errors import ToolError
from digits.sources.folders import check_folder
from digits.sources.paths import PathPolicy, add_path_options, policy_of
from digits.sources.picture_list import (
    LABELS_FILE,
    SPLITS,
    LabelledEntry,
    PictureList,
    SetName,
    is_url,
    read_labels,
    write_labels,
    write_list,
)
from digits.tools.odd_sets import warn_of_odd_sets

MIN_CATEGORIES = 2
# Pictures of a list that are looked for: enough to notice a wrong folder, and done in a moment.
_LOOKED_FOR = 100
# Asking the clock for each line would take longer than the line.
_LINES_PER_STEP = 1000
# Of mistakes of the same kind; people read a few.
_MOST_TOLD = 10


@dataclass(frozen=True)
class ListSource:
    """A list and the folder in which its relative paths begin."""

    path: Path
    folder: str | None  # a path or a URL


def parse_textfiles(
    out_dir: Path, labels_path: Path, sources: Mapping[SetName, ListSource], paths: PathPolicy
) -> str:
    """Check everything, then write labels.txt and the lists.

    `sources` has the list of each used set.  Raises ToolError; then nothing is written.
    """
    labels = read_labels(labels_path)
    if len(labels) < MIN_CATEGORIES:
        raise ToolError(
            f"{labels_path} has {len(labels)} category; a classifier needs at least "
            f"{MIN_CATEGORIES}, one a line."
        )
    _tell_of_repeated(labels_path, labels)
    lists = {name: _checked(source, len(labels), paths) for name, source in sources.items()}
    write_labels(out_dir / LABELS_FILE, labels)
    for name, pictures in lists.items():
        write_list(out_dir / f"{name}.txt", _absolute(pictures))
        counts = [pictures.label_counts.get(label, 0) for label in range(len(labels))]
        _warn_of_gaps(name, labels, counts)
        log_distribution(name, dict(zip(labels, counts, strict=True)))
    warn_of_odd_sets({str(name): pictures for name, pictures in lists.items()}, labels)
    return found_pictures(len(labels), {name: len(pictures) for name, pictures in lists.items()})


def _tell_of_repeated(labels_path: Path, labels: Sequence[str]) -> None:
    """Say which categories have got another name than their line has."""
    given = labels_path.read_text("utf-8-sig").split("\n")
    told_apart = [
        repr(label) for label, line in zip(labels, given, strict=False) if label != line.strip()
    ]
    if told_apart:
        more = f" and {len(told_apart) - _MOST_TOLD} more" if len(told_apart) > _MOST_TOLD else ""
        log.warning(
            "Categories of the same name are told apart by their numbers: %s%s.",
            ", ".join(told_apart[:_MOST_TOLD]),
            more,
        )


def _checked(source: ListSource, categories: int, paths: PathPolicy) -> PictureList:
    """The list with its labels and paths checked.

    Raises ToolError for a relative path without a folder, a path outside of `paths`, and when none
    of the pictures looked for is there.
    """
    if source.folder is not None and not is_url(source.folder):
        paths.check_folder(source.folder)
        check_folder(Path(source.folder))
    log.info("Reading %s.", source.path)
    pictures = PictureList(source.path, source.folder, categories)
    meter = ProgressMeter("lines", len(pictures))
    outside: list[str] = []
    for number, entry in enumerate(pictures, 1):
        if number % _LINES_PER_STEP == 0:
            meter.add(_LINES_PER_STEP)
        if is_url(entry.path):
            continue
        if not os.path.isabs(entry.path):
            raise ToolError(
                f"{source.path}, picture {number}: the path {entry.path!r} is relative; give "
                "the folder that it is relative to."
            )
        if not paths.allows_listed(entry.path):
            outside.append(f"picture {number}, {entry.path}")
            if len(outside) >= _MOST_TOLD:
                break
    if outside:
        roots = f" ({paths.roots_in_words})" if paths.roots else ""
        raise ToolError(
            f"{source.path} names pictures outside of the folders that may be read{roots}: "
            f"{'; '.join(outside)}."
        )
    _look_for_some(pictures)
    return pictures


def _look_for_some(pictures: PictureList) -> None:
    """Raises ToolError when the list names files and none of some of them is there."""
    step = max(1, len(pictures) // _LOOKED_FOR)
    paths = [pictures[index].path for index in range(0, len(pictures), step)]
    files = [path for path in paths if not is_url(path)]
    if files and not any(os.path.exists(path) for path in files):
        looked_for = "None" if len(files) == len(pictures) else f"None of {len(files)}"
        raise ToolError(
            f"{looked_for} of the pictures that {pictures.path} names is there, such as "
            f"{files[0]}. Check the list and its image folder."
        )


def _absolute(pictures: PictureList) -> Iterator[LabelledEntry]:
    for entry in pictures:
        # Behind a link, `..` leads elsewhere than by the path's words.
        as_it_is = is_url(entry.path) or ".." in entry.path.split("/")
        path = entry.path if as_it_is else os.path.normpath(entry.path)
        yield LabelledEntry(path, entry.label)


def _warn_of_gaps(name: str, labels: Sequence[str], counts: Sequence[int]) -> None:
    unused = [repr(label) for label, count in zip(labels, counts, strict=True) if not count]
    if unused:
        more = f" and {len(unused) - 10} more" if len(unused) > 10 else ""
        log.warning(
            "No picture for %s in these categories: %s%s.",
            PURPOSES[name],
            ", ".join(unused[:10]),
            more,
        )


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "parse_textfile")
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="must exist")
    parser.add_argument("--labels", type=Path, required=True, help="a category a line")
    for name in SPLITS:
        parser.add_argument(f"--{name}", type=Path, required=name == "train", help="the list")
        parser.add_argument(
            f"--{name}-folder", metavar="DIR", help="folder or URL where its relative paths begin"
        )
    add_path_options(parser)
    return parser.parse_args()


def _absolute_folder(folder: str | None) -> str | None:
    return os.path.abspath(folder) if folder and not is_url(folder) else folder


def main() -> None:
    given = _arguments()
    arguments, paths = vars(given), policy_of(given)
    sources = {
        name: ListSource(arguments[name], _absolute_folder(arguments[f"{name}_folder"]))
        for name in SPLITS
        if arguments[name] is not None
    }

    def program() -> str:
        if not arguments["out_dir"].is_dir():
            raise ToolError(f"There is no folder {arguments['out_dir']} to write the lists to.")
        return parse_textfiles(arguments["out_dir"], arguments["labels"], sources, paths)

    run_program(program)


if __name__ == "__main__":
    main()
