"""Classify many pictures: decode some while the net computes others, batch by batch.

In: pictures that are yet to be read, whatever stands for them.  Out: arrays for the whole chunk, in
order, with the reasons of those that could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from digits.caffe.data.datum import Sample
from digits.caffe.errors import CaffeError
from digits.errors import ImageError
from digits.inference.best import BestOfClasses
from digits.inference.operations import Chunk, Wanted
from digits.inference.work.decoding import Decoders
from digits.inference.work.loaded import LoadedNetwork, best_first
from digits.inference.work.thumbnails import thumbnail

Item = TypeVar("Item")
_NO_PICTURE = -1
# Large networks have small batches of large pictures, each of which is worth a thread's turn.
_RUNS_OF_A_BATCH = 8


@dataclass(frozen=True)
class Decoded:
    """A picture's values, and its thumbnail where one is asked for."""

    sample: Sample
    thumbnail: bytes


class _Growing:
    """Answers for a run of pictures, grown batch by batch."""

    def __init__(self, network: LoadedNetwork, wanted: Wanted) -> None:
        classes = len(network.labels)
        top = min(wanted.top, classes)
        self._network = network
        self._top = top
        self._best = BestOfClasses(classes, wanted.best_count)
        self._has_thumbnails = wanted.thumbnail_side > 0
        self._indices: list[npt.NDArray[np.int32]] = [np.empty((0, top), np.int32)]
        self._confidences: list[npt.NDArray[np.float32]] = [np.empty((0, top), np.float32)]
        self._reasons: dict[int, str] = {}
        self._thumbnails: list[bytes] = []

    def add(self, batch: list[tuple[int, Decoded | Exception]]) -> None:
        """Compute a batch of pictures, each with its place in the run."""
        indices = np.full((len(batch), self._top), _NO_PICTURE, np.int32)
        confidences = np.zeros((len(batch), self._top), np.float32)
        samples: list[Sample] = []
        rows: list[int] = []
        for row, (place, outcome) in enumerate(batch):
            if isinstance(outcome, Exception):
                self._reasons[place] = _reason(outcome)
                self._thumbnails.append(b"")
            else:
                samples.append(outcome.sample)
                self._thumbnails.append(outcome.thumbnail)
                rows.append(row)
        if samples:
            scores = self._scores(samples)
            found = best_first(scores, self._top)
            indices[rows] = found
            confidences[rows] = np.take_along_axis(scores, found, axis=1)
            if self._best.n:
                self._best.add(scores.T, np.array([batch[row][0] for row in rows]))
        self._indices.append(indices)
        self._confidences.append(confidences)

    def chunk(self) -> Chunk:
        """All that was added."""
        return Chunk(
            indices=np.concatenate(self._indices),
            confidences=np.concatenate(self._confidences),
            reasons=self._reasons,
            best_places=self._best.numbers,
            best_confidences=self._best.confidences,
            thumbnails=tuple(self._thumbnails) if self._has_thumbnails else (),
        )

    def _scores(self, samples: list[Sample]) -> npt.NDArray[np.float32]:
        network = self._network
        network.preparer.batch(samples, network.input(len(samples)))
        return network.scores(len(samples))


def run_batches(
    network: LoadedNetwork,
    decoders: Decoders,
    read: Callable[[Item], Sample],
    items: Iterable[Item],
    wanted: Wanted,
) -> Chunk:
    """Read and classify `items`."""

    def decode(item: Item) -> Decoded:
        sample = read(item)
        side = wanted.thumbnail_side
        small = thumbnail(network.preparer.shown(sample), side) if side else b""
        return Decoded(sample, small)

    growing = _Growing(network, wanted)
    ahead = 2 * network.batch_size
    run = max(1, network.batch_size // _RUNS_OF_A_BATCH)
    outcomes = enumerate(decoders.map(decode, items, ahead, run))
    for batch in _batched(outcomes, network.batch_size):
        growing.add(batch)
    return growing.chunk()


def _batched(
    outcomes: Iterator[tuple[int, Decoded | Exception]], size: int
) -> Iterator[list[tuple[int, Decoded | Exception]]]:
    while batch := list(islice(outcomes, size)):
        yield batch


def _reason(error: Exception) -> str:
    """Why a picture was not read; anything but a picture's own fault is raised again."""
    if isinstance(error, (ImageError, CaffeError)):
        return str(error)
    raise error
