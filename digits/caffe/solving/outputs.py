"""The outputs of a net as Caffe's solver and tools show them.

In: a net after a forward pass.  Out: lines such as `Train net output #0: loss = 2.3 (* 1 = 2.3
loss)`; outputs in alphabetical order, a line for each value; the loss as the mean of the last few
iterations.  Source: solver.cpp (its rounding in float32, too), caffe.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from digits.caffe.machine.log import number
from digits.caffe.net import Net


@dataclass(frozen=True)
class Output:
    """One value of an output blob, and the weight that it has in the loss."""

    name: str
    value: float
    weight: float

    def text(self) -> str:
        """`name = value`, and what it adds to the loss if it does."""
        line = f"{self.name} = {number(self.value)}"
        if self.weight:
            weighted = number(self.weight * self.value)
            line += f" (* {number(self.weight)} = {weighted} loss)"
        return line


def outputs(net: Net) -> list[Output]:
    """The values of a net's outputs after its last forward pass."""
    return [
        Output(name, value, net.blob_loss_weights[name])
        for name in net.outputs
        for value in net.blobs[name].tensor().detach().reshape(-1).tolist()
    ]


def output_lines(net: Net, phase: str) -> Iterator[str]:
    """A line for each value; `phase` is Train or Test."""
    return _lines(outputs(net), phase)


class MeanOutputs:
    """Means of a net's outputs and of its loss over passes."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._passes = 0
        self._loss = 0.0
        self._sums: list[Output] = []

    def add(self, loss: float) -> list[Output]:
        """Count the pass that the net just made, with its total loss; answers its outputs."""
        found = outputs(self._net)
        self._passes += 1
        self._loss += loss
        if not self._sums:
            self._sums = found
        else:
            self._sums = [
                Output(old.name, old.value + new.value, old.weight)
                for old, new in zip(self._sums, found, strict=True)
            ]
        return found

    @property
    def loss(self) -> float:
        """The mean total loss."""
        return self._loss / self._passes

    def means(self) -> list[Output]:
        """The mean of each value."""
        return [Output(s.name, s.value / self._passes, s.weight) for s in self._sums]

    def lines(self) -> Iterator[str]:
        """A line for each mean."""
        return _lines(self.means(), "Test")


def _lines(values: list[Output], phase: str) -> Iterator[str]:
    for index, output in enumerate(values):
        yield f"    {phase} net output #{index}: {output.text()}"


class SmoothedLoss:
    """The mean of the last `window` losses that were added (Solver::UpdateSmoothedLoss)."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._losses: list[np.float32] = []
        self._mean = np.float32(0)

    @property
    def value(self) -> float:
        """The mean so far."""
        return float(self._mean)

    def add(self, loss: float, index: int) -> None:
        """Add the loss of iteration `index`, counted from where this training began."""
        new = np.float32(loss)
        # A loss that is infinite or nan makes the mean so, without a warning.
        with np.errstate(all="ignore"):
            if len(self._losses) < self._window:
                self._losses.append(new)
                size = np.float32(len(self._losses))
                self._mean = (self._mean * (size - np.float32(1)) + new) / size
            else:
                place = index % self._window
                self._mean += (new - self._losses[place]) / np.float32(self._window)
                self._losses[place] = new
