"""Classify pictures: one, many, the best of each class.

In: a pool, a network, and pictures as paths, bytes, or a dataset's database; paths were checked by
the web layer.  Out: plain values (`results.py`).  Many pictures stream through in chunks, so memory
stays constant, and other requests for the same network get their turn in between.  While the worker
has one chunk, the answers of the last are used and the pictures of the next are looked for.
Elsewhere: what the worker does (`work/`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.inference import protocol
from digits.inference.errors import BadRequest
from digits.inference.network import Network
from digits.inference.pool import Pool
from digits.inference.results import Classification, ClassifiedPicture, Prediction, Ranked, TopN

Source = Path | bytes
Progress = Callable[[int], None]
BACKENDS = ("lmdb", "leveldb", "hdf5")

# A chunk takes about so long: short enough that a request in between is not kept waiting, long
# enough that starting and ending it costs nothing.
_CHUNK_S = 1.0
_FIRST_CHUNK = 32
_LARGEST_CHUNK = 2048
_LARGEST_CHUNK_BYTES = 64 << 20


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


def classify_one(
    pool: Pool,
    network: Network,
    source: Source,
    top: int = 5,
    *,
    prepared: bool = False,
    original_side: int = 0,
) -> Classification:
    """The best classes of one picture.

    `prepared` says that the picture is as the network sees it (`Classification.picture`), so it is
    not resized again.  `original_side`, in pixels, asks for the original as well.  Raises
    BadPicture with the reason when it cannot be read.
    """
    references, parts = as_parts([source])
    header = {
        "op": "classify_one",
        "source": references[0],
        "top": top,
        "prepared": prepared,
        "original": original_side,
    }
    answer = pool.ask(header, parts, network=network)
    predictions = tuple(Prediction(*each) for each in answer.header["predictions"])
    original = answer.parts[1] if original_side else b""
    return Classification(predictions, answer.parts[0], original)


def classify_many(
    pool: Pool,
    network: Network,
    pictures: Iterable[Source] | Database,
    top: int = 5,
    limit: int | None = None,
    progress: Progress | None = None,
    *,
    thumbnail_side: int = 0,
    best: BestOfClasses | None = None,
) -> Iterator[ClassifiedPicture]:
    """The best classes of each picture, in their order, as they come.

    Nothing is held but a chunk.  A picture that cannot be read has no predictions, but a reason.
    `limit` is the greatest number of pictures; `progress` is called with the number of pictures
    done, once a chunk.  `thumbnail_side`, in pixels, asks for thumbnails; `best` is told of every
    picture.  Raises BadRequest when there is no such database.
    """
    labels = pool.facts(network)["labels"]
    options = {"top": top, "best": best.n if best else 0, "thumbnails": thumbnail_side}
    for chunk in _run(pool, network, pictures, options, limit, progress):
        if best is not None:
            best.add(chunk)
        yield from _classified(chunk, labels)


def top_n(
    pool: Pool,
    network: Network,
    pictures: Iterable[Source] | Database,
    n: int = 9,
    limit: int | None = None,
    progress: Progress | None = None,
) -> TopN:
    """For each class the `n` pictures with the highest confidence in it.

    Arguments as for `classify_many`; `n` of each class are held, whatever the number of pictures.
    """
    labels = pool.facts(network)["labels"]
    best = BestOfClasses(len(labels), n)
    for chunk in _run(pool, network, pictures, {"top": 1, "best": n}, limit, progress):
        best.add(chunk)
    return best.result(labels)


def as_parts(sources: Sequence[Source]) -> tuple[list[Any], list[bytes]]:
    """Sources as a request has them: a path as text, bytes as the number of their part."""
    references: list[Any] = []
    parts: list[bytes] = []
    for source in sources:
        if isinstance(source, Path):
            references.append(str(source))
        else:
            references.append(len(parts))
            parts.append(source)
    return references, parts


# Chunks


@dataclass(frozen=True)
class _Chunk:
    """What a worker answers for some pictures: the best classes first, -1 where unreadable.

    indices and confidences (pictures, top); best (classes, n), of pictures by their place in the
    chunk, -1 where there are fewer.
    """

    first: int
    indices: npt.NDArray[np.int32]
    confidences: npt.NDArray[np.float32]
    reasons: Mapping[int, str]
    truth: Sequence[int] | None
    keys: Sequence[str] | None
    best: tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]] | None
    thumbnails: Sequence[bytes] | None = None

    @classmethod
    def of(cls, answer: protocol.Message, first: int) -> _Chunk:
        header = answer.header
        count, top = header["count"], header["top"]
        parts = list(answer.parts[2:])
        best = None
        if header["best"]:
            shape = (-1, header["best"])
            best = (
                np.frombuffer(parts.pop(0), np.int32).reshape(shape),
                np.frombuffer(parts.pop(0), np.float32).reshape(shape),
            )
        return cls(
            first=first,
            indices=np.frombuffer(answer.parts[0], np.int32).reshape(count, top),
            confidences=np.frombuffer(answer.parts[1], np.float32).reshape(count, top),
            reasons={int(place): reason for place, reason in header["reasons"]},
            truth=header.get("labels"),
            keys=header.get("keys"),
            best=best,
            thumbnails=_cut(parts[1], np.frombuffer(parts[0], np.int64)) if parts else None,
        )

    def __len__(self) -> int:
        return len(self.indices)

    def key(self, place: int) -> str:
        return self.keys[place] if self.keys is not None else ""


def _cut(joined: bytes, sizes: npt.NDArray[np.int64]) -> list[bytes]:
    ends = np.cumsum(sizes).tolist()
    return [joined[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]


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


def _run(
    pool: Pool,
    network: Network,
    pictures: Iterable[Source] | Database,
    options: Mapping[str, Any],
    limit: int | None,
    progress: Progress | None,
) -> Iterator[_Chunk]:
    size = _ChunkSize(pool.facts(network)["batch_size"])
    feed: _Records | _Pictures
    if isinstance(pictures, Database):
        feed = _Records(pictures, limit)
    else:
        feed = _Pictures(itertools.islice(pictures, limit))

    def ask(header: Mapping[str, Any], parts: Sequence[bytes], first: int) -> _Chunk:
        started = time.monotonic()
        answer = pool.ask({"op": "classify_many", **options, **header}, parts, network=network)
        chunk = _Chunk.of(answer, first)
        size.learn(max(1, len(chunk)), time.monotonic() - started)
        feed.answered(answer.header)
        return chunk

    done = 0
    asked: Future[_Chunk] | None = None
    asking = ThreadPoolExecutor(1, "inference ask")
    try:
        while True:
            feed.look(size.count)
            chunk = asked.result() if asked is not None else None
            done += len(chunk) if chunk is not None else 0
            request = feed.take(size.count)
            asked = asking.submit(ask, *request, done) if request is not None else None
            if chunk is not None:
                yield chunk
                if progress is not None:
                    progress(done)
            if asked is None:
                return
    finally:
        # Who stops listening does not wait for the answer that is on its way.
        asking.shutdown(wait=False, cancel_futures=True)


class _Pictures:
    """Requests for paths and bytes, a chunk at a time."""

    def __init__(self, sources: Iterator[Source]) -> None:
        self._sources = sources
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

    def take(self, count: int) -> tuple[Mapping[str, Any], Sequence[bytes]] | None:
        """What was found, as a request; None when there is no more."""
        if not self._chunk:
            return None
        references, parts = as_parts(self._chunk)
        return {"sources": references}, parts

    def answered(self, header: Mapping[str, Any]) -> None:
        """Nothing to learn from an answer."""


class _Records:
    """Requests for the records of a database, from where the last one ended."""

    def __init__(self, database: Database, limit: int | None) -> None:
        self._database = {"path": str(database.path), "backend": database.backend}
        self._left = limit
        self._position: str | None = ""

    def look(self, count: int) -> None:
        """Nothing to look for: where the next records are is known from the last answer."""

    def take(self, count: int) -> tuple[Mapping[str, Any], Sequence[bytes]] | None:
        if self._left is not None:
            count = min(count, self._left)
        if self._position is None or count == 0:
            return None
        return {"database": self._database, "position": self._position, "count": count}, ()

    def answered(self, header: Mapping[str, Any]) -> None:
        # None when the last record was among these.
        self._position = header["position"]
        if self._left is not None:
            self._left -= header["count"]


def _classified(chunk: _Chunk, labels: Sequence[str]) -> Iterator[ClassifiedPicture]:
    indices, confidences = chunk.indices.tolist(), chunk.confidences.tolist()
    for place in range(len(chunk)):
        yield ClassifiedPicture(
            number=chunk.first + place,
            predictions=tuple(
                Prediction(labels[index], index, confidence)
                for index, confidence in zip(indices[place], confidences[place], strict=True)
                if index >= 0
            ),
            reason=chunk.reasons.get(place, ""),
            label=chunk.truth[place] if chunk.truth is not None else None,
            key=chunk.key(place),
            thumbnail=chunk.thumbnails[place] if chunk.thumbnails is not None else b"",
        )


class BestOfClasses:
    """The `n` best pictures of each class so far: confidences and numbers, (classes, n)."""

    def __init__(self, classes: int, n: int) -> None:
        self.n = n
        self._confidences = np.full((classes, n), -np.inf, np.float32)
        self._numbers = np.full((classes, n), -1, np.int64)
        self._keys: dict[int, str] = {}
        self._count = 0
        self._unreadable: dict[int, str] = {}

    def add(self, chunk: _Chunk) -> None:
        """Take in the pictures of a chunk."""
        self._count += len(chunk)
        self._unreadable |= {chunk.first + place: why for place, why in chunk.reasons.items()}
        if chunk.best is None or not len(chunk):
            return
        places, confidences = chunk.best
        numbers = np.where(places >= 0, chunk.first + places.astype(np.int64), -1)
        all_confidences = np.concatenate([self._confidences, confidences], axis=1)
        all_numbers = np.concatenate([self._numbers, numbers], axis=1)
        # Stable: of equal pictures, the earlier one is better.
        order = np.argsort(-all_confidences, axis=1, kind="stable")[:, : self.n]
        self._confidences = np.take_along_axis(all_confidences, order, axis=1)
        self._numbers = np.take_along_axis(all_numbers, order, axis=1)
        self._keep_keys(chunk)

    def _keep_keys(self, chunk: _Chunk) -> None:
        if chunk.keys is None:
            return
        kept = set(self._numbers.flat) - {-1}
        self._keys = {number: key for number, key in self._keys.items() if number in kept}
        for number in kept:
            if number >= chunk.first:
                self._keys[int(number)] = chunk.key(int(number) - chunk.first)

    def result(self, labels: Sequence[str]) -> TopN:
        """What was found; `labels` are the classes' names."""
        best = tuple(
            tuple(
                Ranked(number, confidence, self._keys.get(number, ""))
                for number, confidence in zip(numbers, confidences, strict=True)
                if number >= 0
            )
            for numbers, confidences in zip(
                self._numbers.tolist(), self._confidences.tolist(), strict=True
            )
        )
        return TopN(tuple(labels), best, self._count, self._unreadable)
