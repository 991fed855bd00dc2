"""Pictures of a dataset's database, as an exported model takes them.

In: a database, and how many of its pictures.  Out: them with their categories, evenly spread over
the database, since one may be sorted by category.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from digits.caffe.data.datum import Sample
from digits.caffe.errors import DataError
from digits.inference.errors import BadRequest
from digits.inference.exporting.request import Pictures
from digits.inference.operations import Network
from digits.inference.work.databases import read_run
from digits.inference.work.preparing import Preparer

_RUN = 256
Feeds = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Example:
    """A picture with the number of its category."""

    sample: Sample
    label: int


def chosen_examples(pictures: Pictures, most: int) -> Iterator[Example]:
    """At most `most` pictures; those that cannot be read are left out.

    Raises BadRequest when the database cannot be read.
    """
    every = max(1, pictures.count // most)
    number, given, position = 0, 0, ""
    while True:
        run = read_run(pictures.database, position, _RUN)
        for record in run.records:
            is_chosen = number % every == 0
            number += 1
            if not is_chosen:
                continue
            try:
                yield Example(record.read(), record.label)
            except DataError:
                continue
            given += 1
            if given == most:
                return
        if run.position is None:
            if not given:
                raise BadRequest(
                    f"No picture of {pictures.database.path.name} can be read. Make the dataset "
                    "again, or export without int8."
                )
            return
        position = run.position


class Feeder:
    """Puts pictures of the dataset's size into the form of a model's input."""

    def __init__(self, network: Network, model: onnx.ModelProto, *, takes_pictures: bool) -> None:
        self._network = network
        port = model.graph.input[0]
        self.input = port.name
        self._preparer: Preparer | None = None
        if not takes_pictures:
            sizes = [dim.dim_value for dim in port.type.tensor_type.shape.dim]
            self._batch = max(1, sizes[0])
            self._preparer = Preparer(network, (sizes[1], sizes[2], sizes[3]))

    def feeds(self, sample: Sample) -> Feeds:
        """What a session is given for a picture."""
        if self._preparer is None:
            return {self.input: pixels_of(sample)}
        prepared = np.empty((1, *self._preparer.input_shape), np.float32)
        self._preparer.batch([sample], prepared)
        # A net that is tied to a batch gets the picture that often.
        return {self.input: np.repeat(prepared, self._batch, axis=0)}

    def blank(self) -> Sample:
        """A grey picture, where there are no others."""
        size = (self._network.height, self._network.width, self._network.channels)
        return Sample(np.full(size, 127, np.uint8), True, "a grey picture")


def pixels_of(sample: Sample) -> npt.NDArray[np.uint8]:
    """A record as R,G,B: uint8 (height, width, 3)."""
    values = sample.values if sample.channels_last else sample.values.transpose(1, 2, 0)
    levels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if levels.shape[2] == 1:
        levels = np.repeat(levels, 3, axis=2)
    return np.ascontiguousarray(levels[:, :, ::-1])
