"""Warn of what spoils a training and no error tells: the same picture twice, unequal categories.

In: the pictures of train, val and test, as a program is about to list them.  Out: lines of the log,
which the dataset's page shows.  The very same file counts as the same picture, whatever it is
called; pictures at addresses are not fetched for that.
Elsewhere: the same of a folder before a dataset is made of it (`inference/work/examining.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from digits.base.progress import counted, log, printable
from digits.sources.picture_list import LabelledEntry, is_url
from digits.sources.same_files import Twins, same_files
from digits.sources.unequal import words_of_unequal

# A disk that is slow must not hold up what is needed, nor may the paths fill the memory.
_LOOKING_S = 60.0
_MOST_COMPARED = 500_000
_MOST_NAMED = 3


def warn_of_odd_sets(sets: Mapping[str, Sequence[LabelledEntry]], labels: Sequence[str]) -> None:
    """Say what is odd about the sets, which go by the names train, val and test."""
    _warn_of_unequal(sets.get("train", ()), labels)
    if sum(map(len, sets.values())) > _MOST_COMPARED:
        log.info("There are too many pictures to look for the same one twice.")
        return
    paths = {
        name: [entry.path for entry in entries if not is_url(entry.path)]
        for name, entries in sets.items()
    }
    _warn_of_twins(same_files(paths, until_s=time.monotonic() + _LOOKING_S))


def _warn_of_unequal(entries: Iterable[LabelledEntry], labels: Sequence[str]) -> None:
    counts = [0] * len(labels)
    for entry in entries:
        counts[entry.label] += 1
    if words := words_of_unequal(dict(zip(labels, counts, strict=True))):
        log.warning("%s", words)


def _warn_of_twins(twins: Twins) -> None:
    for (first, second), pairs in twins.between.items():
        log.warning(
            "%s of %s %s in %s, too, so the network is tested on what it has learned: %s.",
            counted(len(pairs), "picture"),
            first,
            "is" if len(pairs) == 1 else "are",
            second,
            _named(pairs),
        )
    for name, pairs in twins.within.items():
        log.warning("%s twice in %s: %s.", _stands(len(pairs)), name, _named(pairs))


def _stands(count: int) -> str:
    return f"{counted(count, 'picture')} {'stands' if count == 1 else 'stand'}"


def _named(pairs: Sequence[tuple[str, str]]) -> str:
    shown = "; ".join(f"{printable(a)} is {printable(b)}" for a, b in pairs[:_MOST_NAMED])
    return shown + (f"; and {len(pairs) - _MOST_NAMED} more" if len(pairs) > _MOST_NAMED else "")
