"""Make lists of pictures from a folder that has one sub-folder a category.

FOLDER is a folder or the URL of a web listing (nginx or Apache).  A sub-folder's name, with spaces
for underscores, is its category; its pictures are found through all levels below it.  Written to
OUT_DIR: labels.txt (a category a line) and train.txt, val.txt, test.txt (`path label` a line).

A folder that has the sub-folders train and val (or test) with the categories in them is split by
these, unless --split-folders says otherwise; a set without a folder gets its share of train's.

With --set val (or test, train) all pictures go into that one list, and except for train the
categories are those of the labels.txt that is in OUT_DIR already.

  python -m digits.tools.parse_folder photos out --pct-val 25 --pct-test 10 --seed 7
  python -m digits.tools.parse_folder more_photos out --set test
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.base.program import parser_for, run_program
from digits.base.progress import (
    PURPOSES,
    ProgressMeter,
    counted,
    found_pictures,
    log,
    log_distribution,
    log_skipped,
)
from digits.errors import ToolError
from digits.sources.downloads import Downloader
from digits.sources.folders import Category, Search, find_categories
from digits.sources.listing import find_categories_at
from digits.sources.paths import PathPolicy, add_path_options, policy_of
from digits.sources.picture_list import (
    LABELS_FILE,
    SPLITS,
    LabelledEntry,
    PictureList,
    is_url,
    read_labels,
    write_labels,
    write_list,
)
from digits.sources.split_folders import SPLIT_ALREADY, split_categories
from digits.sources.url_policy import ANYWHERE, UrlPolicy
from digits.tools.odd_sets import warn_of_odd_sets
from digits.tools.skipped import SkippedPicture, write_skipped

MIN_CATEGORIES = 2


@dataclass(frozen=True)
class Split:
    """How many percent of each category's pictures go into which set; the rest is for training."""

    val: float = 25.0
    test: float = 0.0

    def __post_init__(self) -> None:
        for name, percent in (("validation", self.val), ("test", self.test)):
            if not 0 <= percent <= 100:  # a NaN, too
                raise ToolError(f"The share for {name} must be 0 to 100 %, not {percent:g}.")
        if self.val + self.test >= 100:
            raise ToolError(
                f"{self.val:g} % for validation and {self.test:g} % for test leave nothing for "
                "training; together they must stay below 100 %."
            )

    def counts(self, pictures: int) -> tuple[int, int, int]:
        """How many of a category's pictures go to train, val and test.

        Every used set gets one if there are enough: first train, then val, then test.
        """
        val = max(1, round(pictures * self.val / 100)) if self.val else 0
        test = max(1, round(pictures * self.test / 100)) if self.test else 0
        while pictures and pictures - val - test < 1:
            if test >= val:
                test -= 1
            else:
                val -= 1
        return pictures - val - test, val, test


@dataclass(frozen=True)
class Limits:
    """How many pictures a category must and may have."""

    min_per_class: int = 2
    max_per_class: int | None = None

    def __post_init__(self) -> None:
        if self.min_per_class < 1:
            raise ToolError(
                f"The minimum per category must be 1 or more, not {self.min_per_class}."
            )
        if self.max_per_class is not None and self.max_per_class < self.min_per_class:
            raise ToolError(
                f"The maximum per category ({self.max_per_class}) is below the minimum "
                f"({self.min_per_class})."
            )


@dataclass(frozen=True)
class Source:
    """Where to look for categories: a folder or the URL of a listing, and what may be read."""

    place: str
    paths: PathPolicy
    urls: UrlPolicy = ANYWHERE


def split_folder(
    source: Source,
    out_dir: Path,
    split: Split,
    limits: Limits,
    seed: int,
    own_sets: Sequence[str] = (),
) -> str:
    """Find the categories and write labels.txt and the list of each used set.

    `own_sets` names those that may have a folder of their own in the given one.
    """
    found = _find(source, out_dir, "folder")
    own = split_categories(found) if own_sets else {}
    if own:
        _tell_of_split(found, own, own_sets)
        split = Split(
            0 if "val" in own else split.val,
            0 if "test" in own else split.test,
        )
    categories = _enough(_within_limits(own.get("train", found), limits, seed))
    sets: dict[str, list[LabelledEntry]] = {name: [] for name in SPLITS}
    for label, category in enumerate(categories):
        paths = _shuffled(category, seed)
        train, val, _ = split.counts(len(paths))
        parts = (paths[:train], paths[train : train + val], paths[train + val :])
        for split_name, part in zip(SPLITS, parts, strict=True):
            sets[split_name].extend(LabelledEntry(path, label) for path in sorted(part))
    labels = [category.label for category in categories]
    for name in own_sets:
        if name in own and name != "train":
            sets[name] = _entries(_known(own[name], labels), labels)
    used = [name for name in SPLITS if sets[name]]
    _warn_of_missing(labels, {name: sets[name] for name in used})
    warn_of_odd_sets({name: sets[name] for name in used}, labels)
    write_labels(out_dir / LABELS_FILE, labels)
    for name in used:
        _write_set(out_dir, name, sets[name], labels)
    return found_pictures(len(labels), {name: len(sets[name]) for name in used})


def take_folder(source: Source, out_dir: Path, name: str, limits: Limits, seed: int) -> str:
    """Put all pictures into the list of one set, which for train makes labels.txt, too."""
    categories = _within_limits(_find(source, out_dir, name), limits, seed)
    if name == "train":
        labels = [category.label for category in _enough(categories)]
    else:
        labels = read_labels(out_dir / LABELS_FILE)
        categories = _known(categories, labels)
    entries = _entries(categories, labels)
    _warn_of_missing(labels, {name: entries})
    warn_of_odd_sets({**_listed(out_dir, name), name: entries}, labels)
    if name == "train":
        write_labels(out_dir / LABELS_FILE, labels)
    _write_set(out_dir, name, entries, labels)
    return f"{len(entries)} pictures of {len(categories)} categories for {name}."


def _listed(out_dir: Path, name: str) -> dict[str, Sequence[LabelledEntry]]:
    """The pictures to train with, which those of another set are compared with."""
    path = out_dir / "train.txt"
    if name == "train" or not path.exists():
        return {}
    return {"train": PictureList(path)}


def _entries(categories: Sequence[Category], labels: Sequence[str]) -> list[LabelledEntry]:
    """All pictures of the categories, with the numbers that these have in `labels`."""
    number = {label: index for index, label in enumerate(labels)}
    return [
        LabelledEntry(path, number[category.label])
        for category in categories
        for path in category.pictures
    ]


def _tell_of_split(
    found: Sequence[Category], own: Mapping[str, Sequence[Category]], own_sets: Sequence[str]
) -> None:
    """Say that folders are sets, and what of the whole folder is not used because of that."""
    names = [name for name in SPLITS if name in own]
    log.warning(
        "%s: what it has for %s is used as the split, and the folders in there are the categories.",
        SPLIT_ALREADY,
        ", ".join(names),
    )
    for name in names:
        if name not in own_sets:
            log.warning("What it has for %s is not read: another folder was given.", name)
    left_out = sum(len(each.pictures) for each in found) - sum(
        len(category.pictures) for each in own.values() for category in each
    )
    if left_out:
        log.warning(
            "%s left out: not in a category folder of these sets.",
            counted(left_out, "picture is", "pictures are"),
        )


def _find(source: Source, out_dir: Path, name: str) -> list[Category]:
    """Search the folder or the listing; the categories may be empty."""
    log.info("Searching %s for pictures.", source.place)
    skipped: list[SkippedPicture] = []

    def skip(path: str, reason: str) -> None:
        log_skipped(path, reason)
        skipped.append(SkippedPicture(path, reason))

    search = Search(ProgressMeter("pictures"), skip, source.paths)
    if is_url(source.place):
        categories = find_categories_at(source.place, search, Downloader(source.urls))
    elif "://" in source.place and not os.path.isabs(source.place):
        raise ToolError(
            f"{source.place} cannot be read: only http and https addresses with a host are."
        )
    else:
        categories = find_categories(Path(source.place), search)
    search.meter.finish()
    if search.other_files:
        one, many = "file that is not a picture was", "files that are not pictures were"
        log.info("%s passed over.", counted(search.other_files, one, many))
    write_skipped(out_dir, name, skipped)
    if len(categories) < MIN_CATEGORIES:
        found = f"only {categories[0].origin}" if categories else "none"
        raise ToolError(
            f"{source.place} must have at least {MIN_CATEGORIES} sub-folders, one for each "
            f"category; found {found}."
        )
    if not any(category.pictures for category in categories):
        raise ToolError(
            f"There is no picture in the {len(categories)} sub-folders of {source.place}."
        )
    return categories


def _within_limits(categories: list[Category], limits: Limits, seed: int) -> list[Category]:
    """The categories with enough pictures, with no more than the maximum (chosen at random)."""
    kept = []
    for category in categories:
        count = len(category.pictures)
        if count < limits.min_per_class:
            log.warning(
                "Category %r is left out: it has %s, fewer than the minimum of %d.",
                category.label,
                counted(count, "picture"),
                limits.min_per_class,
            )
            continue
        if limits.max_per_class is not None and count > limits.max_per_class:
            category.pictures = sorted(_shuffled(category, seed)[: limits.max_per_class])
        kept.append(category)
    return kept


def _enough(categories: list[Category]) -> list[Category]:
    if len(categories) < MIN_CATEGORIES:
        raise ToolError(
            f"Categories with enough pictures: {len(categories)}. A classifier needs at least "
            f"{MIN_CATEGORIES}; add pictures or lower the minimum per category."
        )
    return categories


def _known(categories: list[Category], labels: Sequence[str]) -> list[Category]:
    """The categories that are among the training folder's; raises ToolError if none is."""
    for category in categories:
        if category.label not in labels:
            log.warning(
                "Category %r is left out: the training folder has no such category (%s in %s).",
                category.label,
                counted(len(category.pictures), "picture"),
                category.origin,
            )
    known = [category for category in categories if category.label in labels]
    if not known:
        raise ToolError(
            "None of the sub-folders has the name of a training category; the training categories "
            f"are {', '.join(labels[:10])}{', ...' if len(labels) > 10 else ''}."
        )
    return known


def _shuffled(category: Category, seed: int) -> list[str]:
    """The category's pictures in an order that its name and the seed decide."""
    # Seeded by the name, too: one category more or less does not change the split of the others.
    random = np.random.Generator(np.random.PCG64([seed, *category.label.encode()]))
    return [category.pictures[index] for index in random.permutation(len(category.pictures))]


def _warn_of_missing(labels: Sequence[str], sets: dict[str, list[LabelledEntry]]) -> None:
    """Say which categories have no picture in a set."""
    for name, entries in sets.items():
        present = {entry.label for entry in entries}
        missing = [label for number, label in enumerate(labels) if number not in present]
        if missing:
            shown = ", ".join(repr(label) for label in missing[:10])
            more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
            purpose = PURPOSES[name]
            log.warning("No picture for %s in these categories: %s%s.", purpose, shown, more)


def _write_set(
    out_dir: Path, name: str, entries: list[LabelledEntry], labels: Sequence[str]
) -> None:
    counts = [0] * len(labels)
    for entry in entries:
        counts[entry.label] += 1
    write_list(out_dir / f"{name}.txt", entries)
    log_distribution(name, dict(zip(labels, counts, strict=True)))


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "parse_folder")
    parser.add_argument("folder", metavar="FOLDER", help="folder or URL of a web listing")
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="must exist")
    parser.add_argument(
        "--set", choices=SPLITS, help="put all pictures into this one list; default: split them"
    )
    parser.add_argument(
        "--split-folders",
        default=",".join(SPLITS),
        metavar="SETS",
        help="which sets may have a sub-folder of their own, or none [train,val,test]",
    )
    parser.add_argument("--pct-val", type=float, default=25.0, help="percent for val.txt [25]")
    parser.add_argument("--pct-test", type=float, default=0.0, help="percent for test.txt [0]")
    parser.add_argument(
        "--min", type=int, default=2, help="leave out categories with fewer pictures [2]"
    )
    parser.add_argument("--max", type=int, help="use at most so many pictures of a category")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices [0]")
    add_path_options(parser)
    return parser.parse_args()


def _own_sets(text: str) -> list[str]:
    """The sets that an option names; ToolError for anything else."""
    names = [] if text == "none" else text.split(",")
    if unknown := [name for name in names if name not in SPLITS]:
        raise ToolError(
            f"--split-folders takes {', '.join(SPLITS)}, or none. Received: {unknown[0]!r}."
        )
    return names


def main() -> None:
    arguments = _arguments()

    def program() -> str:
        if not arguments.out_dir.is_dir():
            raise ToolError(f"There is no folder {arguments.out_dir} to write the lists to.")
        if arguments.seed < 0:
            raise ToolError(f"The seed must be 0 or more, not {arguments.seed}.")
        limits = Limits(arguments.min, arguments.max)
        urls = UrlPolicy.from_environment(os.environ)
        source = Source(arguments.folder, policy_of(arguments), urls)
        if arguments.set:
            return take_folder(source, arguments.out_dir, arguments.set, limits, arguments.seed)
        split = Split(arguments.pct_val, arguments.pct_test)
        own_sets = _own_sets(arguments.split_folders)
        return split_folder(source, arguments.out_dir, split, limits, arguments.seed, own_sets)

    run_program(program)


if __name__ == "__main__":
    main()
