"""Look into a dataset's databases: pages of thumbnails, samples of each class, one whole picture.

In: a pool and a database.  Out: plain values.  No network is needed: the worker that has none reads
the records (`work/exploring.py`), so the web process neither waits for a disk nor decodes pictures.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from digits.inference.classify import Database
from digits.inference.pool import Pool
from digits.inference.protocol import Message


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
    pictures: Sequence[Thumbnail]


def explore(pool: Pool, database: Database, label: int | None, page: int, size: int) -> Page:
    """Page `page` (from 0) of `size` records with this label (None: all).  Raises BadRequest."""
    header = {"op": "explore", **_asked(database), "label": label, "page": page, "size": size}
    answer = pool.ask(header)
    told = answer.header
    counts = {int(number): count for number, count in told["counts"].items()}
    return Page(told["records"], told["found"], counts, _thumbnails(answer))


def samples(
    pool: Pool, database: Database, labels: Sequence[int], each: int
) -> dict[int, list[Thumbnail]]:
    """The first `each` pictures of these classes.  Raises BadRequest."""
    header = {"op": "samples", **_asked(database), "labels": list(labels), "each": each}
    found: dict[int, list[Thumbnail]] = {label: [] for label in labels}
    for thumbnail in _thumbnails(pool.ask(header)):
        found[thumbnail.label].append(thumbnail)
    return found


def whole_picture(pool: Pool, database: Database, number: int) -> Thumbnail:
    """A record's picture in its full size.  Raises BadRequest when there is none."""
    answer = pool.ask({"op": "record", **_asked(database), "number": number})
    told = answer.header
    return Thumbnail(number, told["label"], told["kind"], answer.parts[0])


def _asked(database: Database) -> dict[str, Any]:
    return {"database": {"path": str(database.path), "backend": database.backend}}


def _thumbnails(answer: Message) -> list[Thumbnail]:
    return [
        Thumbnail(number, label, kind, data, reason)
        for (number, label, kind, reason), data in zip(
            answer.header["pictures"], answer.parts, strict=True
        )
    ]
