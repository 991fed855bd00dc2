"""Exact means of a test net's outputs over its data set, beside those that Caffe shows.

Caffe averages over `test_iter` batches.  Where the batch size does not divide the set, the last
batch runs into the records of the next round, and these count twice: 30 pictures in a batch of 100
are ten pictures four times and twenty three times.  Here each record counts once: the batch that
reaches the set's end is run once more, cut to what is left of the set, and each batch weighs as
much as it has records.  What Caffe shows stays as it is, for no pass of its own changes.

In: a test net, the number of records of its set.  Out: a value for each that Caffe shows.
Elsewhere: what a mean is over, where that is not the records (`Layer.shares`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from digits.caffe.layers.prefetching_data import PrefetchingDataLayer
from digits.caffe.machine.log import at
from digits.caffe.net import Net

log = logging.getLogger(__name__)

# Of each value: the sum, and what it is to be divided by.
Share = tuple[float, float]


@dataclass
class WholeSet:
    """The sums over the first round of a set of `items` records, from wherever the test begins.

    `run` makes a pass over the net.  Call `before` and `after` each pass of the test, with its
    number from 0.
    """

    net: Net
    items: int
    run: Callable[[], object]
    _shares: dict[str, list[Share]] = field(default_factory=dict)
    _counted: int = 0
    _failed: bool = False

    def __post_init__(self) -> None:
        layers = self.net.engine_layers
        self._data = [layer for layer in layers if isinstance(layer, PrefetchingDataLayer)]
        # Several sources may have sets of other sizes; without one there is no set.
        self._batch = self._data[0].batch_size if len(self._data) == 1 else 0

    @property
    def _last(self) -> int:
        """The number of the pass that reaches the end of the set."""
        return (self.items - 1) // self._batch

    @property
    def _rest(self) -> int:
        """How many records of that pass belong to the set's first round."""
        return self.items - self._last * self._batch

    def before(self, number: int) -> None:
        """Have the data kept of which a part is needed again."""
        if self._batch and number == self._last and self._rest < self._batch:
            for layer in self._data:
                layer.remember(self._rest)

    def after(self, number: int) -> None:
        """Count the outputs of a pass."""
        if not self._batch or self._failed or number > self._last:
            return
        items = self._batch
        if number == self._last and self._rest < self._batch:
            items = self._rest
            if not self._run_rest():
                return
        self._add(items)
        self._counted += items

    def lines(self) -> Iterator[str]:
        """A line for each value; none where the test was too short for the set, or it cannot be."""
        if self._failed or self._counted != self.items:
            return
        index = 0
        for name in self.net.outputs:
            for total, weight in self._shares.get(name, []):
                value = total / weight if weight else 0.0
                yield f"    Test net over {self.items} items #{index}: {name} = {value!r}"
                index += 1

    def _run_rest(self) -> bool:
        try:
            self.run()
        except RuntimeError as error:  # a net that is made for one batch size only
            log.info("No exact test: %s", error, extra=at("solver.cpp:414"))
            self._failed = True
            for layer in self._data:
                layer.forget()
        return not self._failed

    def _add(self, items: int) -> None:
        for name in self.net.outputs:
            found = self._of_output(name, items)
            old = self._shares.setdefault(name, found)
            if old is found:
                continue
            # A value a record is no mean over them.
            self._shares[name] = (
                [(a + c, b + d) for (a, b), (c, d) in zip(old, found, strict=True)]
                if len(old) == len(found)
                else []
            )

    def _of_output(self, name: str, items: int) -> list[Share]:
        layer, top = self.net.written_by(name)
        shares = layer.shares(top)
        if shares is not None:
            sums, weights = (tensor.detach().double().reshape(-1).tolist() for tensor in shares)
            return list(zip(sums, weights, strict=True))
        values = self.net.blobs[name].tensor().detach().double().reshape(-1).tolist()
        return [(value * items, float(items)) for value in values]
