"""What may be read from the disk: by users of the server, and by the programs that it starts.

One rule for both.  Links are resolved before the check, so neither a link nor `..` leads out of a
root.  Hidden files of the jobs directory are the server's own: keys, users, what is half made.  A
program learns of the jobs directory and of the roots by its command line.
"""

from __future__ import annotations

import argparse
import os
import string
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from digits.errors import ToolError

MOST_SUGGESTIONS = 50
# Not hidden to users though their names begin with a dot: the pictures of the samples.
SAMPLE_DIGITS, SAMPLE_EMOJI = ".sample-digits", ".sample-emoji"
# What the kernel shows as files: no pictures, but the environment and memory of processes.
KERNEL_FOLDERS = (Path("/proc"), Path("/sys"))
# Of folders; a list of a million pictures lies in a few thousand at most.
_MOST_REMEMBERED = 10_000


class PathNotAllowed(ValueError):
    """A path that is malformed or outside the data roots; the message is for the user."""


class PathPolicy:
    """Checks paths against `roots`.

    Without roots every path is allowed, or only the jobs directory where others have access.  A
    program that is run by hand may know of no jobs directory.
    """

    def __init__(
        self,
        roots: Sequence[str | Path] = (),
        jobs_dir: Path | None = None,
        others_have_access: Callable[[], bool] = lambda: False,
    ) -> None:
        self.given_roots = [Path(root).expanduser().resolve() for root in roots]
        self.jobs_dir = None if jobs_dir is None else jobs_dir.resolve()
        self.others_have_access = others_have_access
        self._folders: dict[str, bool] = {}

    @property
    def roots(self) -> list[Path]:
        """The folders that may be read; none: all of them."""
        if not self.given_roots and self.jobs_dir and self.others_have_access():
            return [self.jobs_dir]
        return self.given_roots

    def check(self, text: str) -> Path:
        """The absolute path without links; PathNotAllowed when it may not be used."""
        if "\0" in text or "\n" in text or not text.strip():
            raise PathNotAllowed(f"{text!r} is not a path.")
        try:
            # Of other blanks a name may be made: a list keeps them, too.
            path = Path(text.strip(string.whitespace)).expanduser()
            if not path.is_absolute() and "://" in text:
                raise PathNotAllowed(
                    f"{text} is not a path; only http and https addresses are read."
                )
            if not path.is_absolute():
                raise PathNotAllowed(f"{text} is not an absolute path: start it with a slash.")
            resolved = path.resolve()
        except (OSError, RuntimeError, UnicodeError) as error:
            raise PathNotAllowed(f"{text!r} cannot be followed: {error}.") from error
        if not self.allows(resolved):
            raise PathNotAllowed(self._refusal(text))
        return resolved

    def allows(self, resolved: Path) -> bool:
        """Whether a path without links is inside a root."""
        if self._is_the_servers_own(resolved):
            return False
        roots = self.roots
        if not roots:
            return True
        if self.jobs_dir is not None:
            roots = [*roots, self.jobs_dir]
        return any(_is_inside(resolved, root) for root in roots)

    def allows_path(self, path: str) -> bool:
        """Whether a path, its links resolved, may be read."""
        try:
            return self.allows(Path(os.path.realpath(path)))
        except (OSError, ValueError):  # a NUL in it: there is no such file
            return False

    def allows_listed(self, path: str) -> bool:
        """Whether the folder of one of many files may be read, and the file is not hidden there.

        Each folder is looked at once.  Where a link that is the file leads shows when it is read.
        """
        folder, name = os.path.split(path)
        if name.startswith("."):
            return self.allows_path(path)
        known = self._folders.get(folder)
        if known is None:
            if len(self._folders) >= _MOST_REMEMBERED:
                self._folders.clear()
            known = self._folders[folder] = self.allows_path(folder)
        return known

    def check_folder(self, folder: str) -> None:
        """Raises ToolError for a folder that a program may not read."""
        if self.allows_path(folder):
            return
        if not self.roots:
            raise ToolError(self._refusal(folder))
        raise ToolError(f"{folder} is outside the folders that may be read: {self.roots_in_words}.")

    @property
    def roots_in_words(self) -> str:
        return ", ".join(str(root) for root in self.roots)

    def suggest(self, query: str) -> list[str]:
        """Paths that begin with `query`, folders first and with a slash, at most 50."""
        if not query:
            return [f"{root}/".replace("//", "/") for root in self.roots or [Path("/")]]
        if query == "~":
            return ["~/"]
        folder, prefix = os.path.split(query)
        try:
            resolved = self.check(folder)
            with os.scandir(resolved) as entries:
                found = sorted(
                    (not _is_folder(entry), entry.name)
                    for entry in entries
                    if entry.name.startswith(prefix)
                    and (prefix.startswith(".") or not entry.name.startswith("."))
                    and self._allows_entry(entry)
                )
        except (OSError, PathNotAllowed):
            return []
        return [
            os.path.join(folder, name) + ("" if is_file else "/")
            for is_file, name in found[:MOST_SUGGESTIONS]
        ]

    def _is_the_servers_own(self, resolved: Path) -> bool:
        """Whether it is a hidden file of the jobs directory, or the kernel's."""
        if any(_is_inside(resolved, folder) for folder in KERNEL_FOLDERS):
            return True
        if self.jobs_dir is None or not _is_inside(resolved, self.jobs_dir):
            return False
        parts = resolved.relative_to(self.jobs_dir).parts
        if parts[:1] in ((SAMPLE_DIGITS,), (SAMPLE_EMOJI,)):
            parts = parts[1:]
        return any(part.startswith(".") for part in parts)

    def _refusal(self, text: str) -> str:
        if not self.roots:
            return f"{text} is a file of the server's own, which is not read for users."
        return (
            f"{text} is outside the folders that may be read: {self.roots_in_words}. Whoever runs "
            "the server can add others with the setting data_roots."
        )

    def _allows_entry(self, entry: os.DirEntry[str]) -> bool:
        """Whether an entry of an allowed folder is allowed: only a link can lead elsewhere.

        Of the server's own files only hidden ones lie in an allowed folder.
        """
        try:
            needs_look = entry.is_symlink() or entry.name.startswith(".")
            return not needs_look or self.allows(Path(entry.path).resolve())
        except (OSError, RuntimeError):
            return False  # a link that leads in a circle


def add_path_options(parser: argparse.ArgumentParser) -> None:
    """The options `--data-root` and `--jobs-dir`, of which `policy_of` makes a policy."""
    parser.add_argument(
        "--data-root",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="read pictures only from here (may be given several times) [anywhere]",
    )
    parser.add_argument(
        "--jobs-dir",
        type=Path,
        metavar="DIR",
        help="of a server: its jobs may be read as well, its own files may not [none]",
    )


def path_options(data_roots: Iterable[str], jobs_dir: Path) -> list[str]:
    """Those options for a program that a server starts."""
    roots = [word for root in data_roots for word in ("--data-root", root)]
    return [*roots, "--jobs-dir", str(jobs_dir)]


def policy_of(arguments: argparse.Namespace) -> PathPolicy:
    """What a program with these options may read."""
    return PathPolicy(arguments.data_root, arguments.jobs_dir)


def _is_inside(path: Path, folder: Path) -> bool:
    """What `is_relative_to` says, in a fifth of its time: long lists ask it for each picture."""
    return f"{path}/".startswith(os.path.join(folder, ""))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
