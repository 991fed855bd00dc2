"""Classify many pictures in a stream, and find the best of each class.

In: a pool, a network, and pictures as paths, bytes, or a dataset's database; paths were checked by
the web layer.  Out: plain values.  Pictures go through in chunks, so memory stays constant, and
other requests for the same network get their turn in between.  While the worker has one chunk, the
answers of the last are used and the pictures of the next are looked for.
Elsewhere: what the worker is asked (`operations/pictures.py`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.inference.best import BestOfClasses, Ranked
from digits.inference.operations import (
    TOP,
    Chunk,
    ClassifyPictures,
    ClassifyRecords,
    Database,
    Network,
    Prediction,
    Source,
    Wanted,
)
from digits.inference.pool import Pool

ChunkRequest = ClassifyPictures | ClassifyRecords

# A chunk takes about so long: short enough that a request in between is not kept waiting, long
# enough that starting and ending it costs nothing.
_CHUNK_S = 1.0
_FIRST_CHUNK = 32
_LARGEST_CHUNK = 2048
_LARGEST_CHUNK_BYTES = 64 << 20


@dataclass(frozen=True)
class ClassifiedPicture:
    """One of many pictures: its number in the list or database, from 0, and its best classes.

    A picture that could not be read has no predictions, but a `reason`.  Records of a database have
    a `key` and their true class, `label`.  `thumbnail` is a JPEG where thumbnails were asked for.
    """

    number: int
    predictions: tuple[Prediction, ...]
    reason: str = ""
    label: int | None = None
    key: str = ""
    thumbnail: bytes = b""


@dataclass(frozen=True)
class TopN:
    """The best pictures of each class (by its index, the best first), and those not read."""

    labels: tuple[str, ...]
    best: tuple[tuple[Ranked, ...], ...]
    count: int
    unreadable: Mapping[int, str]


def classify_many(
    pool: Pool,
    network: Network,
    pictures: Iterable[Source] | Database,
    top: int = TOP,
    limit: int | None = None,
    *,
    thumbnail_side: int = 0,
    best: BestOfClasses | None = None,
) -> Iterator[ClassifiedPicture]:
    """The best classes of each picture, in their order, as they come.

    Nothing is held but a chunk.  A picture that cannot be read has no predictions, but a reason.
    `limit` is the greatest number of pictures.  `thumbnail_side`, in pixels, asks for thumbnails;
    `best` is told of every picture.  Raises BadRequest when there is no such database.
    """
    labels = pool.facts(network).labels
    wanted = Wanted(top, best.n if best else 0, thumbnail_side)
    for first, chunk in _chunks(pool, network, pictures, wanted, limit):
        if best is not None:
            _add_best(best, first, chunk)
        yield from _classified(first, chunk, labels)


def top_n(
    pool: Pool,
    network: Network,
    pictures: Iterable[Source] | Database,
    n: int = 9,
) -> TopN:
    """For each class the `n` pictures with the highest confidence in it.

    Arguments as for `classify_many`; `n` of each class are held, whatever the number of pictures.
    """
    labels = pool.facts(network).labels
    best = BestOfClasses(len(labels), n)
    count = 0
    unreadable: dict[int, str] = {}
    for first, chunk in _chunks(pool, network, pictures, Wanted(1, n), None):
        _add_best(best, first, chunk)
        count += len(chunk)
        unreadable |= {first + place: reason for place, reason in chunk.reasons.items()}
    return TopN(labels, best.ranked(), count, unreadable)


def _add_best(best: BestOfClasses, first: int, chunk: Chunk) -> None:
    places = chunk.best_places
    best.add(chunk.best_confidences, np.where(places >= 0, first + places, -1))


def _classified(first: int, chunk: Chunk, labels: Sequence[str]) -> Iterator[ClassifiedPicture]:
    indices, confidences = chunk.indices.tolist(), chunk.confidences.tolist()
    records = chunk.records
    for place in range(len(chunk)):
        yield ClassifiedPicture(
            number=first + place,
            predictions=tuple(
                Prediction(labels[index], index, confidence)
                for index, confidence in zip(indices[place], confidences[place], strict=True)
                if index >= 0
            ),
            reason=chunk.reasons.get(place, ""),
            label=records.labels[place] if records else None,
            key=records.keys[place] if records else "",
            thumbnail=chunk.thumbnails[place] if chunk.thumbnails else b"",
        )


# Chunks


class _ChunkSize:
    """How many pictures make a chunk of the wanted duration, learned from those before."""

    def __init__(self, batch_size: int) -> None:
        # Only whole batches: of a smaller one, each picture takes the network longer.
        self._batch_size = batch_size
        self.count = self._whole_batches(_FIRST_CHUNK)

    def learn(self, count: int, elapsed_s: float) -> None:
        wanted = count * _CHUNK_S / max(elapsed_s, 0.001)
        # By no more than four times: the first chunk is slower than the others.
        self.count = self._whole_batches(int(min(wanted, 4 * count, _LARGEST_CHUNK)))

    def _whole_batches(self, count: int) -> int:
        return max(1, count // self._batch_size) * self._batch_size


def _chunks(
    pool: Pool,
    network: Network,
    pictures: Iterable[Source] | Database,
    wanted: Wanted,
    limit: int | None,
) -> Iterator[tuple[int, Chunk]]:
    """The answers, a chunk at a time, each with the number of its first picture."""
    size = _ChunkSize(pool.facts(network).batch_size)
    feed: _Records | _Pictures
    if isinstance(pictures, Database):
        feed = _Records(pictures, wanted, limit)
    else:
        feed = _Pictures(itertools.islice(pictures, limit), wanted)

    def ask(request: ChunkRequest) -> Chunk:
        started = time.monotonic()
        chunk = pool.ask(request, network=network)
        size.learn(max(1, len(chunk)), time.monotonic() - started)
        feed.answered(chunk)
        return chunk

    done = 0
    asked: Future[Chunk] | None = None
    asking = ThreadPoolExecutor(1, "inference ask")
    try:
        while True:
            feed.look(size.count)
            chunk = asked.result() if asked is not None else None
            request = feed.take(size.count)
            asked = asking.submit(ask, request) if request is not None else None
            if chunk is not None:
                yield done, chunk
                done += len(chunk)
            if asked is None:
                return
    finally:
        # Who stops listening does not wait for the answer that is on its way.
        asking.shutdown(wait=False, cancel_futures=True)


class _Pictures:
    """Requests for paths and bytes, a chunk at a time."""

    def __init__(self, sources: Iterator[Source], wanted: Wanted) -> None:
        self._sources = sources
        self._wanted = wanted
        self._chunk: list[Source] = []

    def look(self, count: int) -> None:
        """Find the next pictures, which may take a while, before they are taken."""
        self._chunk = []
        size = 0
        # Bytes fill a chunk sooner than paths do.
        while len(self._chunk) < count and size < _LARGEST_CHUNK_BYTES:
            source = next(self._sources, None)
            if source is None:
                break
            self._chunk.append(source)
            size += 0 if isinstance(source, Path) else len(source)

    def take(self, count: int) -> ChunkRequest | None:
        """What was found, as a request; None when there is no more."""
        return ClassifyPictures(tuple(self._chunk), self._wanted) if self._chunk else None

    def answered(self, chunk: Chunk) -> None:
        """Nothing to learn from an answer."""


class _Records:
    """Requests for the records of a database, from where the last one ended."""

    def __init__(self, database: Database, wanted: Wanted, limit: int | None) -> None:
        self._database = database
        self._wanted = wanted
        self._left = limit
        self._position: str | None = ""

    def look(self, count: int) -> None:
        """Nothing to look for: where the next records are is known from the last answer."""

    def take(self, count: int) -> ChunkRequest | None:
        if self._left is not None:
            count = min(count, self._left)
        if self._position is None or count == 0:
            return None
        return ClassifyRecords(self._database, self._position, count, self._wanted)

    def answered(self, chunk: Chunk) -> None:
        # None when the last record was among these.
        self._position = chunk.records.position if chunk.records else None
        if self._left is not None:
            self._left -= len(chunk)
