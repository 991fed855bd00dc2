"""The guides: the files of docs/, and the order and the groups in which readers find them.

docs/README.md is the list: each `##` heading is a group, each line `- [Title](*.md): what it is
about` a guide of it. Sidebar, previous and next page all follow it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from digits.base.installed import folder_beside

INDEX = "README"
ENDINGS = (".md", ".png", ".svg")
GROUP_OR_GUIDE = re.compile(
    r"^## +(?P<group>.+)$|^- \[(?P<title>[^]]+)\]\((?P<file>[^)]+)\.md\)", re.MULTILINE
)


@dataclass(frozen=True)
class Guide:
    """A page as the list names it; `name` is its path below docs/, without `.md`."""

    name: str
    title: str


@dataclass(frozen=True)
class Group:
    """Guides for one kind of reader."""

    title: str
    guides: tuple[Guide, ...]


@lru_cache(maxsize=1)
def documents() -> dict[str, Path]:
    """The files that are served, by their path below docs/."""
    top = documents_folder()
    return {
        path.relative_to(top).as_posix(): path
        for path in sorted(top.rglob("*"))
        if path.suffix in ENDINGS and path.is_file()
    }


def documents_folder() -> Path:
    """docs/."""
    return folder_beside("docs")


def groups_of(listing: str, folder: str = "") -> tuple[Group, ...]:
    """The groups of a list of guides, as docs/README.md is one.

    `folder`, below docs/, is where the list stands. Groups without a guide are left out.
    """
    found: dict[str, list[Guide]] = {}
    group = ""
    for match in GROUP_OR_GUIDE.finditer(listing):
        if match["group"]:
            group = match["group"].strip()
        else:
            name = posixpath.join(folder, match["file"])
            found.setdefault(group, []).append(Guide(name, match["title"].replace("`", "")))
    return tuple(Group(title, tuple(guides)) for title, guides in found.items())


def index_of(name: str) -> str:
    """The list in which a page stands: that of its folder."""
    return posixpath.join(posixpath.dirname(name), INDEX)


def neighbours(
    groups: tuple[Group, ...], listing: Guide, name: str
) -> tuple[Guide | None, Guide | None]:
    """The pages before and after `name`; the list itself, `listing`, is the first of all."""
    guides = [listing, *(guide for group in groups for guide in group.guides)]
    places = [place for place, guide in enumerate(guides) if guide.name == name]
    if not places:
        return None, None
    place = places[0]
    return (
        guides[place - 1] if place else None,
        guides[place + 1] if place + 1 < len(guides) else None,
    )
