"""Classify many pictures: decode some while the net computes others, batch by batch.

In: paths, bytes, or a position in a database.  Out: arrays for the whole chunk, in order, with the
reasons of those that could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from digits.caffe.data.datum import Sample
from digits.caffe.errors import CaffeError
from digits.errors import ImageError
from digits.inference.work.decoding import Decoders
from digits.inference.work.loaded import LoadedNetwork, best_first
from digits.inference.work.thumbnails import thumbnail

Item = TypeVar("Item")
_NO_PICTURE = -1
# Large networks have small batches of large pictures, each of which is worth a thread's turn.
_RUNS_OF_A_BATCH = 8


@dataclass(frozen=True)
class BatchOptions:
    """What is asked of each picture, and of all of them.

    The best `top` classes; of each class the best `best_count` pictures; thumbnails with at most
    `thumbnail_side` pixels a side (0: none).
    """

    top: int
    best_count: int = 0
    thumbnail_side: int = 0


@dataclass(frozen=True)
class Decoded:
    """A picture's values, and its thumbnail where one is asked for."""

    sample: Sample
    thumbnail: bytes


@dataclass
class Chunk:
    """Answers for a run of pictures, grown batch by batch; index -1 where one was unreadable."""

    top: int
    best_count: int
    indices: list[npt.NDArray[np.int32]] = field(default_factory=list)
    confidences: list[npt.NDArray[np.float32]] = field(default_factory=list)
    reasons: list[tuple[int, str]] = field(default_factory=list)
    # One a picture, empty where it was unreadable or none is asked for.
    thumbnails: list[bytes] = field(default_factory=list)
    # Of each class, the best so far: places in the chunk and scores, (classes, best_count).
    best: tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]] | None = None

    def joined(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Indices and confidences of the whole chunk, (pictures, top)."""
        if not self.indices:
            return np.empty((0, self.top), np.int32), np.empty((0, self.top), np.float32)
        return np.concatenate(self.indices), np.concatenate(self.confidences)


def classify(
    network: LoadedNetwork,
    decoders: Decoders,
    read: Callable[[Item], Sample],
    items: Iterable[Item],
    options: BatchOptions,
) -> Chunk:
    """Read and classify `items`."""

    def decode(item: Item) -> Decoded:
        sample = read(item)
        side = options.thumbnail_side
        small = thumbnail(network.preparer.shown(sample), side) if side else b""
        return Decoded(sample, small)

    chunk = Chunk(min(options.top, len(network.labels)), options.best_count)
    ahead = 2 * network.batch_size
    run = max(1, network.batch_size // _RUNS_OF_A_BATCH)
    outcomes = enumerate(decoders.map(decode, items, ahead, run))
    for batch in _batched(outcomes, network.batch_size):
        _add_batch(network, chunk, batch)
    return chunk


def _batched(
    outcomes: Iterator[tuple[int, Decoded | Exception]], size: int
) -> Iterator[list[tuple[int, Decoded | Exception]]]:
    while batch := list(islice(outcomes, size)):
        yield batch


def _add_batch(
    network: LoadedNetwork, chunk: Chunk, batch: list[tuple[int, Decoded | Exception]]
) -> None:
    indices = np.full((len(batch), chunk.top), _NO_PICTURE, np.int32)
    confidences = np.zeros((len(batch), chunk.top), np.float32)
    samples: list[Sample] = []
    rows: list[int] = []
    for row, (place, outcome) in enumerate(batch):
        if isinstance(outcome, Exception):
            chunk.reasons.append((place, _reason(outcome)))
            chunk.thumbnails.append(b"")
        else:
            samples.append(outcome.sample)
            chunk.thumbnails.append(outcome.thumbnail)
            rows.append(row)
    if samples:
        network.preparer.batch(samples, network.input(len(samples)))
        scores = network.scores(len(samples))
        found = best_first(scores, chunk.top)
        indices[rows] = found
        confidences[rows] = np.take_along_axis(scores, found, axis=1)
        if chunk.best_count:
            _keep_best(chunk, scores, np.array([batch[row][0] for row in rows], np.int32))
    chunk.indices.append(indices)
    chunk.confidences.append(confidences)


def _reason(error: Exception) -> str:
    """Why a picture was not read; anything but a picture's own fault is raised again."""
    if isinstance(error, (ImageError, CaffeError)):
        return str(error)
    raise error


def _keep_best(
    chunk: Chunk, scores: npt.NDArray[np.float32], places: npt.NDArray[np.int32]
) -> None:
    """Merge a batch's scores (n, classes) into the best of each class."""
    by_class = scores.T
    all_places = np.broadcast_to(places, by_class.shape)
    if chunk.best is not None:
        by_class = np.concatenate([chunk.best[1], by_class], axis=1)
        all_places = np.concatenate([chunk.best[0], all_places], axis=1)
    order = np.argsort(-by_class, axis=1, kind="stable")[:, : chunk.best_count]
    chunk.best = (
        np.take_along_axis(all_places, order, axis=1),
        np.take_along_axis(by_class, order, axis=1),
    )
