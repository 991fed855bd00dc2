"""The ImageData layer: pictures from a list of files.

Tops: data (n, c, h, w), transformed; label (n).  A line of `source` is a path, a blank, a label.
Pictures are resized to new_height x new_width as OpenCV does it, if both are given.  `shuffle`
mixes the list at the start and after every round; `rand_skip` starts up to that many lines later.
Source: image_data_layer.cpp.  Difference: with several processes, each takes every n-th line in
the TRAIN phase (in Caffe all read the same lines unless they are shuffled).
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from digits.caffe.data import pictures
from digits.caffe.data.augmenter import Augmenter, Chance
from digits.caffe.data.datum import Sample
from digits.caffe.data.prefetch import cores
from digits.caffe.data.transformer import DataTransformer
from digits.caffe.errors import DataError
from digits.caffe.layers.base import Shape, register
from digits.caffe.layers.prefetching_data import (
    Batcher,
    BatchSource,
    PrefetchingDataLayer,
    State,
    Top,
    check_batch_size,
)
from digits.caffe.machine.log import at

log = logging.getLogger(__name__)

_MAX_DECODERS = 8


@register("ImageData")
class ImageDataLayer(PrefetchingDataLayer):
    """Reads pictures."""

    exact_tops = 2
    has_pictures = True

    def open(self) -> tuple[BatchSource, list[Shape]]:
        """Read the list and its first picture."""
        param = self.param.image_data_param
        check_batch_size(self, param.batch_size)
        if (param.new_height > 0) != (param.new_width > 0):
            raise self.error(
                "new_height and new_width must be set together, received "
                f"{param.new_height} and {param.new_width}"
            )
        transform = self.param.transform_param
        transformer = DataTransformer(transform, self.training, self.path(transform.mean_file))
        source = PictureSource(self, read_list(self.path(param.source)), transformer)
        shape = source.first_shape()
        log.info(
            "output data size: %s", ",".join(map(str, shape)), extra=at("image_data_layer.cpp:78")
        )
        return source, [shape, shape[:1]]


class PictureSource(BatchSource):
    """Batches of pictures."""

    def __init__(
        self, layer: ImageDataLayer, lines: list[tuple[str, int]], transformer: DataTransformer
    ) -> None:
        context = layer.context
        self._param = layer.param.image_data_param
        self._folder = layer.path(self._param.root_folder)
        self._lines = lines
        self._transformer = transformer
        self._batcher = Batcher(transformer, context, context.random.draw_seed())
        self._augmenter = layer.augmenter()
        self._rank = context.rank if layer.training else 0
        self._ranks = context.world_size if layer.training else 1
        self._batches = 0
        self._go_to(round_=0, line=self._skip(), offset=0)
        workers = min(_MAX_DECODERS, max(1, cores() // 2))
        self._pool = ThreadPoolExecutor(workers, f"decode {layer.name}")

    def first_shape(self) -> Shape:
        """The shape of a batch that begins with the current line."""
        sample = self._sample(self._lines[self._order[self._line]][0])
        return (self._param.batch_size, *self._transformer.output_shape(sample))

    def next_tops(self) -> list[Top]:
        """The next pictures and labels."""
        lines = [self._next_line() for _ in range(self._param.batch_size)]
        samples = self._samples([path for path, _ in lines], self._batches)
        self._batches += 1
        return [
            self._batcher.data(samples, self._batches - 1),
            self._batcher.labels([label for _, label in lines]),
        ]

    def state(self) -> State:
        """The place in the round, and what chance depends on."""
        return {
            "round": self._round, "line": self._line, "offset": self._offset,
            "batches": self._batches, "seed": self._batcher.seed,
        }  # fmt: skip

    def restore(self, state: State) -> None:
        """Go to the line of a `state`."""
        self._batcher.seed = state["seed"]
        self._batches = state["batches"]
        self._go_to(state["round"], state["line"], state["offset"])

    def close(self) -> None:
        """End the decoding threads."""
        self._pool.shutdown()

    def _skip(self) -> int:
        if not self._param.rand_skip:
            return 0
        skip = int(np.random.default_rng(self._batcher.seed).integers(self._param.rand_skip))
        log.info("Skipping first %d data points.", skip, extra=at("image_data_layer.cpp:60"))
        if skip >= len(self._lines):
            raise DataError(
                f"{self._param.source}: rand_skip chose to skip {skip} lines, but there are only "
                f"{len(self._lines)}; use a smaller rand_skip"
            )
        return skip

    def _next_line(self) -> tuple[str, int]:
        while self._offset % self._ranks != self._rank:
            self._advance()
        line = self._lines[self._order[self._line]]
        self._advance()
        return line

    def _advance(self) -> None:
        if self._line + 1 < len(self._lines):
            self._line += 1
            self._offset += 1
            return
        log.info("Restarting data prefetching from start.", extra=at("image_data_layer.cpp:163"))
        self._go_to(self._round + 1, 0, self._offset + 1)

    def _go_to(self, round_: int, line: int, offset: int) -> None:
        self._round, self._line, self._offset = round_, line, offset
        order = np.arange(len(self._lines))
        if self._param.shuffle:
            np.random.default_rng((self._batcher.seed, round_)).shuffle(order)
        self._order: list[int] = order.tolist()

    def _samples(self, names: list[str], number: int) -> list[Sample]:
        """The pictures of the batch with this number, augmented where that is asked for."""
        if self._augmenter is None:
            return list(self._pool.map(self._sample, names))
        chances = self._batcher.chances(number, len(names))
        return list(self._pool.map(partial(self._augmented, self._augmenter), names, chances))

    def _augmented(self, augmenter: Augmenter, name: str, chance: Chance) -> Sample:
        return augmenter.augmented(self._sample(name), chance)

    def _sample(self, name: str) -> Sample:
        # Caffe joins the two as they are: `root_folder` ends in a slash, or is a prefix.
        path = self._folder + name
        image = pictures.read(
            path, self._param.new_height, self._param.new_width, self._param.is_color
        )
        return Sample(image, True, path)


def read_list(path: str) -> list[tuple[str, int]]:
    """The paths and labels of a list; blanks may stand in a path, the label is the last word.

    Raises DataError for a list that is missing, empty, or has a line without a label.
    """
    log.info("Opening file %s", path, extra=at("image_data_layer.cpp:38"))
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the list of pictures {path}: {error}") from error
    entries = [_entry(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not entries:
        raise DataError(f"{path}: File is empty; each line must be `PATH LABEL`")
    log.info("A total of %d images.", len(entries), extra=at("image_data_layer.cpp:53"))
    return entries


def _entry(path: str, number: int, line: str) -> tuple[str, int]:
    name, blank, label = line.rstrip().rpartition(" ")
    try:
        return name, int(label)
    except ValueError as error:
        raise DataError(
            f"{path}:{number}: each line must be `PATH LABEL` with a whole number as label, "
            f"received {line!r}"
        ) from error
