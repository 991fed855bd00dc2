"""Which range of 16-bit values becomes black to white: all that 16 bits hold, or the one seen.

The range of the training pictures is kept in RANGE_FILE beside the databases: those for validation
and test are made with the same one, and so are pictures that are classified.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path

from digits.base.atomic import write_text
from digits.base.progress import ProgressMeter, counted, log
from digits.errors import ImageError, ToolError
from digits.images import value_range
from digits.images.levels import FEW_VALUES, WHITE, joined
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import LabelledEntry, is_url
from digits.sources.url_policy import UrlPolicy

RANGE_FILE = "value_range.json"
Range = tuple[int, int]
# Pictures that are looked at together: a million of them must not wait in memory.
_BATCH = 1000
WHOLE: Range = (0, WHITE)


class ValueRange(StrEnum):
    """What becomes black to white."""

    FULL = "full"
    SEEN = "seen"


def find_range(
    pictures: Iterable[LabelledEntry], count: int, paths: PathPolicy, urls: UrlPolicy, threads: int
) -> Range:
    """The range of the 16-bit values of all pictures; `WHOLE` when no picture has such.

    Pictures that cannot be read are passed over: they are told when the database is made.
    """
    log.info("Looking for the range of 16-bit values.")
    meter = ProgressMeter("pictures", count)
    look = partial(_range_of, paths=paths, urls=urls)
    found: Range | None = None
    waiting = iter(pictures)
    with ThreadPoolExecutor(max(1, threads), "range") as pool:
        while batch := list(islice(waiting, _BATCH)):
            found = joined(found, *pool.map(look, batch))
            meter.add(len(batch))
    if found is None:
        log.info("No picture has 16 bits.")
        return WHOLE
    log.info("16-bit values from %d to %d become black to white.", *found)
    return found


def _range_of(entry: LabelledEntry, paths: PathPolicy, urls: UrlPolicy) -> Range | None:
    try:
        if is_url(entry.path):
            return value_range(_fetched(entry.path, urls))
        return value_range(entry.path) if paths.allows_path(entry.path) else None
    except ImageError:
        return None


def _fetched(url: str, urls: UrlPolicy) -> bytes:
    # Late: lists of files do not need the 0.1 s that it takes.
    from digits.sources.downloads import Downloader, DownloadError  # noqa: PLC0415

    try:
        return Downloader(urls).fetch(url)[0]
    except DownloadError as error:
        raise ImageError(str(error)) from error


def write_range(folder: Path, found: Range) -> None:
    """Keep the range beside the databases, whole or not at all."""
    write_text(folder / RANGE_FILE, json.dumps(found) + "\n")


def read_range(folder: Path) -> Range:
    """The range that is kept in a folder; `WHOLE` without one.  ToolError for what is none."""
    try:
        low, high = json.loads((folder / RANGE_FILE).read_bytes())
        if not 0 <= int(low) <= int(high) <= WHITE:
            raise ValueError(f"{low} to {high}")
        return int(low), int(high)
    except FileNotFoundError:
        return WHOLE
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ToolError(f"{folder / RANGE_FILE} is no range of values: {error}.") from error


def warn_of_few_values(wide: int, seen: Range | None, used: Range) -> None:
    """Say so when pictures with 16 bits have come out nearly black, or of nearly one grey."""
    if seen is None or used != WHOLE or seen[1] - seen[0] >= FEW_VALUES:
        return
    levels = max(1, (seen[1] - seen[0]) * 255 // WHITE + 1)
    log.warning(
        "%s of 16 bits: the values go from %d to %d, of %d that are possible, so that about %d of "
        "256 gray levels are left. Make the dataset again with Values of 16-bit pictures: the "
        "range seen (value_range=seen).",
        counted(wide, "picture"),
        *seen,
        WHITE,
        levels,
    )
