"""Find files that are the same, byte for byte, among those of some sets.

Only files of equal size are read: first their beginnings, and whole only what begins alike.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_BEGINNING_BYTES = 4096

Pair = tuple[str, str]
Member = tuple[str, str]  # the name of a set, and a path in it


@dataclass
class Twins:
    """Pairs of paths: the same file twice in a set, and in two sets (as train and val)."""

    within: dict[str, list[Pair]] = field(default_factory=dict)
    between: dict[tuple[str, str], list[Pair]] = field(default_factory=dict)


def same_files(sets: Mapping[str, Iterable[str]], *, until_s: float) -> Twins:
    """What is the same in these sets of paths, as far as it is found until `time.monotonic()`
    says so.  Files that cannot be read are nobody's twins.
    """
    twins = Twins()
    for group in groups_of_same(sets):
        if time.monotonic() > until_s:
            break
        if group:
            note_twins(twins, group, list(sets))
    return twins


def groups_of_same(sets: Mapping[str, Iterable[str]]) -> Iterator[list[Member]]:
    """The files of each content that there is more than once.

    Empty lists between them let the caller stop: none of the steps takes long.
    """
    by_size: dict[int, list[Member]] = defaultdict(list)
    for name, paths in sets.items():
        for path in paths:
            by_size[_size(path)].append((name, path))
            yield []
    for size, group in by_size.items():
        if size and len(group) > 1:
            yield from _divided(group, _beginning, _of_same_content)


def _of_same_content(group: list[Member]) -> Iterator[list[Member]]:
    yield from _divided(group, _content, lambda same: iter([same]))


def _divided(
    group: list[Member],
    value: Callable[[str], bytes],
    further: Callable[[list[Member]], Iterator[list[Member]]],
) -> Iterator[list[Member]]:
    """What `further` says of those of a group that have the same value; b"": cannot be read."""
    parts: dict[bytes, list[Member]] = defaultdict(list)
    for member in group:
        parts[value(member[1])].append(member)
        yield []
    parts.pop(b"", None)
    for part in parts.values():
        if len(part) > 1:
            yield from further(part)


def note_twins(twins: Twins, group: Sequence[Member], order: Sequence[str]) -> None:
    """Put the pairs of one content into `twins`; sets go in this order."""
    firsts: dict[str, str] = {}
    for name, path in sorted(group, key=lambda member: order.index(member[0])):
        if name in firsts:
            twins.within.setdefault(name, []).append((path, firsts[name]))
        else:
            for other, its_path in firsts.items():
                twins.between.setdefault((other, name), []).append((its_path, path))
            firsts[name] = path


def _size(path: str) -> int:
    """Bytes; 0 for what is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _beginning(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_BEGINNING_BYTES)
    except OSError:
        return b""


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return b""
