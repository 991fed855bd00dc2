"""Classify pictures: one, or a chunk of many.

Paths were checked by the web layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.inference.operations.databases import Database
from digits.inference.operations.request import Request

# A picture's file, by its path or its content.
Source = Path | bytes
# How many classes of a picture are looked at when nothing else is said.
TOP = 5


@dataclass(frozen=True)
class Prediction:
    """A class, and how much the network believes in it: 0 to 1 where it ends in a Softmax."""

    label: str
    index: int
    confidence: float


@dataclass(frozen=True)
class Classification:
    """One picture's answer: the best classes first, and the picture as the network saw it.

    `picture` is the PNG after resizing and cropping, before the mean is subtracted; requests about
    the same picture take it with `prepared=True`.  `original` is the picture as it was sent, shrunk
    (a PNG or JPEG), where that was asked for.
    """

    predictions: tuple[Prediction, ...]
    picture: bytes
    original: bytes = b""


@dataclass(frozen=True)
class ClassifyOne(Request[Classification]):
    """The `top` best classes of one picture.

    `prepared` says that the picture is as the network sees it (`Classification.picture`), so it is
    not resized again.  `original_side`, in pixels, asks for the original as well.  Raises
    BadPicture with the reason when it cannot be read.
    """

    source: Source
    top: int = TOP
    prepared: bool = False
    original_side: int = 0


@dataclass(frozen=True)
class Preview:
    """A picture in its own proportions: a PNG or JPEG (`kind`)."""

    kind: str
    data: bytes


@dataclass(frozen=True)
class ShowPicture(Request[Preview]):
    """A picture with at most `side` pixels a side; no network is needed.

    Raises BadPicture with the reason when it cannot be read.
    """

    source: Source
    side: int


@dataclass(frozen=True)
class Wanted:
    """What is asked of each of many pictures, and of all of them.

    The `top` best classes of each; the `best_count` pictures of each class that the network is
    surest of; thumbnails with at most `thumbnail_side` pixels a side (0: none).
    """

    top: int = TOP
    best_count: int = 0
    thumbnail_side: int = 0


@dataclass(frozen=True)
class Records:
    """What a database says of the pictures of a chunk; `position` of the next one, None: none."""

    keys: tuple[str, ...]
    labels: tuple[int, ...]
    position: str | None


@dataclass(frozen=True)
class Chunk:
    """Answers for some pictures, in their order; pictures go by their places in the chunk.

    indices and confidences (pictures, top): the best classes first, -1 where a picture could not be
    read; `reasons` has why.  best_places and best_confidences (classes, best_count): of each class
    the best pictures, -1 where there are fewer.  A thumbnail a picture, empty where there is none.
    """

    indices: npt.NDArray[np.int32]
    confidences: npt.NDArray[np.float32]
    reasons: Mapping[int, str]
    best_places: npt.NDArray[np.int64]
    best_confidences: npt.NDArray[np.float32]
    thumbnails: tuple[bytes, ...] = ()
    records: Records | None = None

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class ClassifyPictures(Request[Chunk]):
    """Classify these pictures."""

    sources: tuple[Source, ...]
    wanted: Wanted


@dataclass(frozen=True)
class ClassifyRecords(Request[Chunk]):
    """Classify at most `count` records of a database, from `position` ("": the first) on.

    Raises BadRequest when the database cannot be read.
    """

    database: Database
    position: str
    count: int
    wanted: Wanted
