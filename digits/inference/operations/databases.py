"""Look into a dataset's databases: pages of thumbnails, samples of each class, one whole picture.

No network is needed: the worker that has none reads the records, so the web process neither waits
for a disk nor decodes pictures.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from digits.inference.errors import BadRequest
from digits.inference.operations.request import Request

BACKENDS = ("lmdb", "leveldb", "hdf5")


@dataclass(frozen=True)
class Database:
    """A dataset's database: the folder of an LMDB or LevelDB, or of HDF5 files and their list."""

    path: Path
    backend: str = "lmdb"

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise BadRequest(
                f"The backend is one of {', '.join(BACKENDS)}. Received: {self.backend!r}."
            )


@dataclass(frozen=True)
class Thumbnail:
    """A record: its number from 0, its class, and a small picture (`kind` png or jpeg).

    `reason` says why there is no picture, where there is none.
    """

    number: int
    label: int
    kind: str
    data: bytes
    reason: str = ""

    @property
    def url(self) -> str:
        """The picture as a `data:` address; empty where there is none."""
        if not self.data:
            return ""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Page:
    """A page of the records of one class, or of all; `counts` has the pictures of each class."""

    records: int
    found: int
    counts: Mapping[int, int]
    pictures: tuple[Thumbnail, ...]


@dataclass(frozen=True)
class Explore(Request[Page]):
    """Page `page` (from 0) of `size` records with this label (None: all), in their order.

    Raises BadRequest when the database cannot be read.
    """

    database: Database
    label: int | None
    page: int
    size: int


@dataclass(frozen=True)
class Samples:
    """Pictures of some classes, class after class."""

    pictures: tuple[Thumbnail, ...]

    def by_label(self, labels: Sequence[int]) -> dict[int, list[Thumbnail]]:
        """The pictures of each of these classes."""
        found: dict[int, list[Thumbnail]] = {label: [] for label in labels}
        for picture in self.pictures:
            found[picture.label].append(picture)
        return found


@dataclass(frozen=True)
class SampleClasses(Request[Samples]):
    """The first `each` pictures of these classes.  Raises BadRequest as `Explore`."""

    database: Database
    labels: tuple[int, ...]
    each: int


@dataclass(frozen=True)
class SpreadRecords(Request[Samples]):
    """Some `count` records from all over the database, others at each `turn` (from 0).

    A database may be sorted by class, so they are not neighbours.  Raises BadRequest as `Explore`.
    """

    database: Database
    count: int
    turn: int


@dataclass(frozen=True)
class Place:
    """Where a record stands: its class, its place from 0 `among` so many, and its neighbours.

    `previous` and `following` are numbers in the database, None at the ends.
    """

    label: int
    place: int
    among: int
    previous: int | None
    following: int | None


@dataclass(frozen=True)
class FindRecord(Request[Place]):
    """Where record `number` stands among those with this label (None: all).

    Raises BadRequest when there is none.
    """

    database: Database
    number: int
    label: int | None


@dataclass(frozen=True)
class ShowRecord(Request[Thumbnail]):
    """A record's picture in its full size.  Raises BadRequest when there is none."""

    database: Database
    number: int
