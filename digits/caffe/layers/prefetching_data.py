"""What the data layers that read ahead have in common.

A layer of this kind has a `BatchSource`, which makes one batch after the other; a thread calls it
ahead of time, and `forward` hands over what it made.  The layer's state is that of the source after
the last batch that the net has taken, not of what was read ahead.

Source: base_data_layer.cpp.  Elsewhere: the thread (`digits.caffe.data.prefetch`).
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from digits.caffe.data.augmenter import Augmenter, Chance, chances
from digits.caffe.data.datum import Sample
from digits.caffe.data.prefetch import Prefetcher
from digits.caffe.data.transformer import Cut, DataTransformer
from digits.caffe.errors import DataError
from digits.caffe.layers.base import Layer, LayerContext, Shape
from digits.caffe.proto import caffe_pb2

State = dict[str, Any]
# What is left to do for a top when the net takes it, on the net's thread.
Top = Callable[[], torch.Tensor]

# Values (64 MB) that wait for the net at most; one batch always may.
_MAX_AHEAD = 1 << 24


@dataclass(frozen=True)
class Batch:
    """Tops in order, and the state of the source after this batch."""

    tops: list[Top]
    state: State


class BatchSource(ABC):
    """Makes batches, one after the other, without end; used by one thread at a time."""

    @abstractmethod
    def next_tops(self) -> list[Top]:
        """The tops of the next batch."""

    @abstractmethod
    def state(self) -> State:
        """Where it is: what `restore` needs to make the batches that come next."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Go to a `state`."""

    def close(self) -> None:
        """Let go of files and databases."""


class PrefetchingDataLayer(Layer):
    """A layer without bottoms whose batches are made ahead.

    Tops: data (n, c, h, w) and, if asked for, label (n).
    """

    exact_bottoms = 0
    min_tops = 1
    max_tops: ClassVar[int | None] = 2
    # Batches made ahead; Caffe's default.
    depth = 4
    # Whether it takes pictures apart, so that they can be changed by `augmenter`.
    has_pictures: ClassVar[bool] = False

    def __init__(self, param: caffe_pb2.LayerParameter, context: LayerContext) -> None:
        super().__init__(param, context)
        self._source: BatchSource | None = None
        self._prefetcher: Prefetcher[Batch] | None = None
        self._state: State | None = None
        self._items_again = 0  # of the next batch, for the pass after it
        self._again: list[torch.Tensor] = []

    def open(self) -> tuple[BatchSource, list[Shape]]:
        """The source, and the shapes of the first batch; raises DataError or LayerError."""
        raise NotImplementedError

    def setup(self, bottoms: Sequence[Shape]) -> None:
        """Open the source."""
        self._source, self._shapes = self.open()

    def reshape(self, bottoms: Sequence[Shape]) -> Sequence[Shape | None]:
        """The shapes of the first batch; later ones may differ."""
        return self._shapes

    def forward(self, bottoms: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
        """The next batch, on the layer's device; or what was remembered of the last."""
        if self._again:
            tops, self._again = self._again, []
            return tops
        if self._prefetcher is None:
            # Only now, and not in `setup`: a net that is built to be looked at reads no data.
            count = sum(math.prod(shape) for shape in self._shapes)
            fitting = max(1, _MAX_AHEAD // max(1, count))
            self._prefetcher = Prefetcher(self._next_batch, min(self.depth, fitting), self.name)
        batch = self._prefetcher.get()
        self._state = batch.state
        tops = [self._placed(top()) for top in batch.tops]
        if self._items_again:
            # Copies: a layer may work in place.
            self._again = [top[: self._items_again].clone() for top in tops]
            self._items_again = 0
        return tops

    @property
    def batch_size(self) -> int:
        """Items of a whole batch; the layer must have been set up."""
        return self._shapes[0][0]

    def remember(self, items: int) -> None:
        """Give the first `items` of the coming batch once more, as the batch after it."""
        self._items_again = items

    def forget(self) -> None:
        """Give nothing once more."""
        self._items_again, self._again = 0, []

    def state(self) -> State:
        """The state after the last batch taken."""
        return self._opened().state() if self._state is None else self._state

    def restore(self, state: State) -> None:
        """Go on after a `state`; batches made ahead are thrown away."""
        self._stop()
        self._opened().restore(state)
        self._state = None

    def close(self) -> None:
        """End the thread and close the source."""
        self._stop()
        if self._source is not None:
            self._source.close()
            self._source = None

    def augmenter(self) -> Augmenter | None:
        """What changes pictures before they are transformed; only in the TRAIN phase."""
        augmentation = self.context.augmentation
        return Augmenter(augmentation) if augmentation and self.training else None

    def path(self, name: str) -> str:
        """A path of the prototxt, seen from the working directory."""
        return os.path.join(self.context.base_dir, name)

    def _opened(self) -> BatchSource:
        if self._source is None:
            raise DataError(f"layer {self.name!r} is closed; no data can be read any more")
        return self._source

    def _next_batch(self) -> Batch:
        source = self._opened()
        return Batch(source.next_tops(), source.state())

    def _placed(self, top: torch.Tensor) -> torch.Tensor:
        return top.to(self.context.device, self.context.dtype, non_blocking=True)

    def _stop(self) -> None:
        if self._prefetcher is not None:
            self._prefetcher.close()
            self._prefetcher = None


class Batcher:
    """Turns samples and labels into the tops of a batch."""

    def __init__(self, transformer: DataTransformer, context: LayerContext, seed: int) -> None:
        self._transformer = transformer
        self._context = context
        # Pinned memory reaches a GPU faster, and while the host goes on.
        self._pin = context.device.type == "cuda"
        self.seed = seed

    def data(self, samples: Sequence[Sample], number: int) -> Top:
        """The samples, transformed; `number` is the batch's, from which chance comes.

        Raises DataError if one has another shape than the first.
        """
        random = None
        if self._transformer.is_random:
            # Every batch has a generator of its own: where a training stopped is a number only.
            random = np.random.default_rng((self.seed, number))
        cut = self._transformer.cut(samples, random, self._pin)
        return lambda: self._finished(cut)

    def chances(self, number: int, count: int) -> list[Chance]:
        """The random numbers by which the `count` pictures of a batch are changed."""
        return chances(self.seed, number, count)

    def labels(self, values: Sequence[float]) -> Top:
        """Labels as float32, as Caffe has them."""
        return top_of(self._context, torch.tensor(values, dtype=torch.float32))

    def _finished(self, cut: Cut) -> torch.Tensor:
        data = self._transformer.finish(cut, self._context.device)
        return data if self._context.channels_last else data.contiguous()


def top_of(context: LayerContext, tensor: torch.Tensor) -> Top:
    """A top with nothing left to do; for a GPU, in memory from which it comes without a wait."""
    ready = tensor.pin_memory() if context.device.type == "cuda" else tensor
    return lambda: ready


def check_batch_size(layer: Layer, batch_size: int) -> int:
    """The batch size; LayerError unless it is positive."""
    if batch_size <= 0:
        raise layer.error(f"batch_size must be above 0, received {batch_size}")
    return batch_size
