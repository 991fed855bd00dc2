"""Find the pictures of a folder that has one sub-folder a category.

Symbolic links are followed, and every folder is searched once a category, so loops end.  A file is
taken for a picture by its extension or, failing that, by its first bytes.  Hidden files and folders
(`.git`, `._picture.jpg`) are passed over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from digits.base.progress import ProgressMeter, printable
from digits.errors import ToolError
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import cannot_be_listed

PICTURE_EXTENSIONS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".heic",
        ".heif",
        ".hif",
        ".avif",
    ]
)
# Archives made on a Mac carry this folder of things that are not pictures.
_IGNORED_FOLDERS = frozenset(["__MACOSX"])
_FIRST_BYTES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|II\*\0|MM\0\*|RIFF....WEBP|BM....\0\0\0\0|P[1-6]\s"
    rb"|....ftyp(?:hei[cxms]|hev[cxms]|m[is]f1|avi[fs])",
    re.DOTALL,
)


@dataclass
class Search:
    """What a search of folders has come across."""

    meter: ProgressMeter
    skip: Callable[[str, str], None]  # told the path and the reason of what is left out
    paths: PathPolicy = field(default_factory=PathPolicy)  # where it may look
    pass_over: Callable[[str], None] = lambda path: None  # told of files that are no pictures
    other_files: int = 0  # how many they are


@dataclass
class Category:
    """A category and the paths (or URLs) of its pictures, sorted."""

    label: str
    origin: str  # the folder it comes from, for messages
    pictures: list[str] = field(default_factory=list)


def find_categories(folder: Path, search: Search) -> list[Category]:
    """The categories of `folder`, sorted by label; those without a picture are there too.

    Raises ToolError when the folder cannot be read or two sub-folders would get the same label.
    """
    categories = []
    for category, pictures in folders_of_categories(folder, search):
        category.pictures.extend(picture for picture in pictures if picture is not None)
        categories.append(category)
    return checked(categories)


def folders_of_categories(
    folder: Path, search: Search
) -> Iterator[tuple[Category, Iterator[str | None]]]:
    """Each category of `folder` by its folder's name, still empty, and what finds its pictures.

    None stands for what is no picture, so that the caller can stop among a million of those, too.
    Raises ToolError as `find_categories`.
    """
    root = Path(os.path.abspath(folder))
    search.paths.check_folder(str(root))
    check_folder(root)
    for entry in _sorted_entries(str(root), search, required=True):
        if not _is_folder(entry) or is_ignored(entry.name) or _leads_out(entry, search):
            continue
        if problem := cannot_be_listed(entry.name):
            raise ToolError(f"Category folder {printable(entry.path)}: {problem}.")
        category = Category(label_of(entry.name), entry.path)
        yield category, _entries_below(entry.path, str(root), search)


def unwrapped(folder: Path) -> Path:
    """The folder of category folders: below those that hold nothing but one folder of folders."""
    while True:
        try:
            with os.scandir(folder) as entries:
                found = [entry for entry in entries if not is_ignored(entry.name)]
            if len(found) != 1 or not found[0].is_dir(follow_symlinks=False):
                return folder
            with os.scandir(found[0].path) as below:
                if not any(entry.is_dir() for entry in below):
                    return folder
        except OSError:
            return folder
        folder = Path(found[0].path)


def checked(categories: list[Category]) -> list[Category]:
    """`categories` sorted by label; raises ToolError when two have the same."""
    by_label: dict[str, Category] = {}
    for category in categories:
        other = by_label.setdefault(category.label, category)
        if other is not category:
            raise ToolError(
                f"{other.origin} and {category.origin} would both be the category "
                f"{category.label!r}; rename or merge them."
            )
    return [by_label[label] for label in sorted(by_label)]


def label_of(folder_name: str) -> str:
    """The category that a folder's name stands for: underscores are spaces."""
    return folder_name.replace("_", " ").strip() or folder_name


def category_of_path(path: str, numbers: Mapping[str, int]) -> int | None:
    """The number of the category whose folder a picture lies in, the outermost one of several.

    `path` starts below the folder that was chosen; `numbers` has the categories by their names.
    """
    found = (numbers.get(label_of(name)) for name in path.split("/")[:-1])
    return next((number for number in found if number is not None), None)


def check_folder(folder: Path) -> None:
    """Raises ToolError unless `folder` is a folder that can be read."""
    try:
        os.scandir(folder).close()
    except FileNotFoundError as error:
        raise ToolError(f"There is no folder {folder}.") from error
    except NotADirectoryError as error:
        raise ToolError(f"{folder} is a file; give the folder of category folders.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ToolError(f"The folder {folder} cannot be read: {reason}.") from error


def has_picture_extension(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in PICTURE_EXTENSIONS


def starts_like_a_picture(first_bytes: bytes) -> bool:
    """Whether a file with these first 16 bytes may be a picture."""
    return _FIRST_BYTES.match(first_bytes) is not None


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is passed over without a word."""
    return name.startswith(".") or name in _IGNORED_FOLDERS


def pictures_below(folder: Path, search: Search) -> Iterator[str]:
    """All pictures in `folder` and its sub-folders, each folder's own first, by name."""
    root = os.path.abspath(folder)
    return (picture for picture in _entries_below(root, root, search) if picture is not None)


def _entries_below(folder: str, root: str, search: Search) -> Iterator[str | None]:
    """The pictures in `folder` and its sub-folders, in order of their paths; None for all else."""
    # `root` counts as seen: a link back to it would bring in all the other categories.
    seen = {_identity(root), _identity(folder)}
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        sub_folders = []
        for entry in _sorted_entries(current, search):
            picture: str | None = None
            if is_ignored(entry.name) or _leads_out(entry, search):
                pass
            elif _is_folder(entry):
                if _is_new(entry.path, seen, search):
                    sub_folders.append(entry.path)
            elif _is_listed_picture(entry, search):
                search.meter.add()
                picture = entry.path
            yield picture
        waiting.extend(reversed(sub_folders))


def _leads_out(entry: os.DirEntry[str], search: Search) -> bool:
    """Whether an entry is a link out of the data roots; says so."""
    try:
        # Only a link can lead elsewhere: the folder that it is in has been looked at.
        out = entry.is_symlink() and not search.paths.allows_path(entry.path)
    except OSError:
        return False  # what cannot be looked at is told when it is read
    if out:
        search.skip(entry.path, "a symbolic link that leads out of the folders that may be read")
    return out


def _is_new(folder: str, seen: set[tuple[int, int]], search: Search) -> bool:
    """Whether a folder is met for the first time; it is then `seen`."""
    try:
        identity = _identity(folder)
    except OSError as error:
        search.skip(folder, f"the folder cannot be read: {error.strerror}")
        return False
    new = identity not in seen
    seen.add(identity)
    return new


def _is_listed_picture(entry: os.DirEntry[str], search: Search) -> bool:
    """Whether a file belongs into the list; says so if it is a picture that does not."""
    try:
        regular = entry.is_file()
        dangling = not regular and entry.is_symlink()
        picture = regular and _looks_like_a_picture(entry)
    except OSError as error:
        search.skip(entry.path, f"it cannot be read: {error.strerror}")
        return False
    if dangling and has_picture_extension(entry.name):
        search.skip(entry.path, "a symbolic link to nothing")
    elif not picture:
        search.other_files += 1
        search.pass_over(entry.path)
    elif problem := cannot_be_listed(entry.path):
        search.skip(entry.path, problem)
    else:
        return True
    return False


def _looks_like_a_picture(entry: os.DirEntry[str]) -> bool:
    if has_picture_extension(entry.name):
        return True
    with open(entry.path, "rb") as file:
        return starts_like_a_picture(file.read(16))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle
        return False


def _sorted_entries(
    folder: str, search: Search, *, required: bool = False
) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; a folder that cannot be read is reported unless `required`."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if required:
            raise
        search.skip(folder, f"the folder cannot be read: {error.strerror}")
        return []


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
