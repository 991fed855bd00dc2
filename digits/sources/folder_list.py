"""What is in one folder, for whoever looks for the right one: bounded, however much there is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from digits.sources.folders import has_picture_extension, is_ignored
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import cannot_be_listed

# More is not looked at: a folder of a million files is answered in the same time.
MOST_ENTRIES = 20_000
MOST_FOLDERS = 1000


@dataclass(frozen=True)
class FolderList:
    """The names of its folders, sorted, and its pictures by their extensions."""

    folders: list[str]
    pictures: int
    is_cut: bool  # there is more


def list_folder(folder: str, paths: PathPolicy) -> FolderList:
    """What `paths` allows to be seen of a folder; nothing of one that cannot be read.

    Folders that no dataset can be made of, because of their names, are not named.
    """
    folders: list[str] = []
    pictures = looked_at = unnamed = 0
    try:
        with os.scandir(folder) as entries:
            for looked_at, entry in enumerate(entries, 1):
                if looked_at > MOST_ENTRIES:
                    break
                if is_ignored(entry.name) or not _is_allowed(entry, paths):
                    continue
                if _is_folder(entry):
                    if cannot_be_listed(entry.name):
                        unnamed += 1
                    else:
                        folders.append(entry.name)
                else:
                    pictures += has_picture_extension(entry.name)
    except OSError:
        pass  # what was seen of it
    folders.sort(key=lambda name: (name.casefold(), name))
    is_cut = looked_at > MOST_ENTRIES or len(folders) > MOST_FOLDERS or unnamed > 0
    return FolderList(folders[:MOST_FOLDERS], pictures, is_cut)


def _is_allowed(entry: os.DirEntry[str], paths: PathPolicy) -> bool:
    """Whether an entry of an allowed folder is allowed: only a link can lead elsewhere."""
    try:
        if not entry.is_symlink() and not _may_be_the_kernels(entry.path):
            return True
        return paths.allows(Path(entry.path).resolve())
    except (OSError, RuntimeError):
        return False  # a link that leads in a circle


def _may_be_the_kernels(path: str) -> bool:
    return path.count("/") == 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
