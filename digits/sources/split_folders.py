"""Folders that are a split already: train/CLASS, val/CLASS, test/CLASS, as most sets are published.

Their names may be train or training; val, valid or validation; test or testing, in any case.  A
class may be called "train" or "test" as well: so a folder counts only where another of them stands
beside it, and the one to train with has its pictures in two sub-folders or more.

In: categories that a search has found, or a folder.  Out: the categories of each set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from digits.sources.folders import Category, checked, is_ignored, label_of
from digits.sources.picture_list import SPLITS, is_url

NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
MIN_CLASSES = 2
# How the program that reads such a folder begins to say so.
SPLIT_ALREADY = "The folder is split already"


def set_of(name: str) -> str | None:
    """Which of train, val and test a folder's name stands for."""
    return NAMES.get(name.strip().casefold())


def split_categories(found: Sequence[Category]) -> dict[str, list[Category]]:
    """The categories of each set where the folders that were found are one; else nothing.

    A set whose pictures lie in no category folders, as those of contests do, is left out.  Other
    folders may stand beside the sets where these have categories in common.
    Raises ToolError when two folders of a set would be the same category.
    """
    by_set: dict[str, Category] = {}
    others = False
    for category in found:
        name = set_of(_last(category.origin))
        if name in by_set:
            return {}
        if name is not None:
            by_set[name] = category
        else:
            others = others or bool(category.pictures)
    if not _is_split(by_set):
        return {}
    classes = {name: _classes(category) for name, category in by_set.items()}
    if len(classes["train"]) < MIN_CLASSES or (others and not _in_common(classes)):
        return {}
    return {name: checked(each) for name, each in classes.items() if each}


def sets_in(folder: Path) -> list[str]:
    """Which sets the sub-folders of a folder seem to be, without looking for pictures."""
    by_set: dict[str, Path] = {}
    for path in _sub_folders(folder):
        if name := set_of(path.name):
            by_set.setdefault(name, path)
    if not _is_split(by_set) or len(_sub_folders(by_set["train"])) < MIN_CLASSES:
        return []
    return [name for name in SPLITS if name in by_set]


def _is_split(sets: Iterable[str]) -> bool:
    return "train" in sets and len(set(sets)) > 1


def _in_common(classes: Mapping[str, Sequence[Category]]) -> bool:
    """Whether another set has categories of the one to train with."""
    labels = {name: {category.label for category in each} for name, each in classes.items()}
    return any(
        len(labels["train"] & each) >= MIN_CLASSES
        for name, each in labels.items()
        if name != "train"
    )


def _classes(category: Category) -> list[Category]:
    """The sub-folders of a set as categories; pictures that lie in none of them are left out."""
    start = category.origin.rstrip("/") + "/"
    classes: dict[str, Category] = {}
    for picture in category.pictures:
        name, slash, _ = picture.removeprefix(start).partition("/")
        if not slash:
            continue
        if name not in classes:
            label = label_of(unquote(name) if is_url(start) else name)
            classes[name] = Category(label, start + name)
        classes[name].pictures.append(picture)
    return list(classes.values())


def _last(origin: str) -> str:
    name = origin.rstrip("/").rsplit("/", 1)[-1]
    return unquote(name) if is_url(origin) else name


def _sub_folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(e.path) for e in entries if e.is_dir() and not is_ignored(e.name)]
    except OSError:
        return []  # the program that reads it tells why
