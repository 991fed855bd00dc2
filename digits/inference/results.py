"""What requests answer: plain values, made of a worker's JSON and binary parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Prediction:
    """A class, and how much the network believes in it: 0 to 1 where it ends in a Softmax."""

    label: str
    index: int
    confidence: float


@dataclass(frozen=True)
class Statistics:
    """Of the finite values of an array; `histogram` counts them in equal steps of `edges`.

    `edges` has one value more than `histogram`.  `not_finite` counts NaN and infinite values.
    """

    mean: float
    std: float
    minimum: float
    maximum: float
    histogram: tuple[int, ...]
    edges: tuple[float, ...]
    not_finite: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Statistics:
        tuples = {name: tuple(values[name]) for name in ("histogram", "edges")}
        return cls(**{**values, **tuples})


@dataclass(frozen=True)
class BlobFacts:
    """An array in a network: a top (with its blob's name) or a parameter (weights, bias, ...)."""

    name: str
    shape: tuple[int, ...]
    statistics: Statistics

    @property
    def count(self) -> int:
        """How many values it has."""
        total = 1
        for size in self.shape:
            total *= size
        return total

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "shape": list(self.shape),
            "count": self.count,
            "statistics": self.statistics.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> BlobFacts:
        return cls(
            values["name"], tuple(values["shape"]), Statistics.from_json(values["statistics"])
        )


@dataclass(frozen=True)
class LayerFacts:
    """A layer in numbers: what it made of the picture, and its parameters."""

    index: int
    name: str
    type: str
    tops: tuple[BlobFacts, ...]
    params: tuple[BlobFacts, ...]

    @property
    def param_count(self) -> int:
        """How many learned values it has."""
        return sum(param.count for param in self.params)

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "name": self.name,
            "type": self.type,
            "tops": [top.to_json() for top in self.tops],
            "params": [param.to_json() for param in self.params],
            "param_count": self.param_count,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LayerFacts:
        return cls(
            index=values["index"],
            name=values["name"],
            type=values["type"],
            tops=tuple(BlobFacts.from_json(top) for top in values["tops"]),
            params=tuple(BlobFacts.from_json(param) for param in values["params"]),
        )


@dataclass(frozen=True)
class Picture:
    """A PNG file, and what it leaves out ("" when it shows everything)."""

    png: bytes
    note: str = ""


@dataclass(frozen=True)
class Classification:
    """One picture's answer: the best classes first, and the picture as the network saw it.

    `picture` is the PNG after resizing and cropping, before the mean is subtracted; requests about
    the same picture take it with `prepared=True`.  `original` is the picture as it was sent, shrunk
    (a PNG or JPEG), where that was asked for.
    """

    predictions: tuple[Prediction, ...]
    picture: bytes
    original: bytes = b""


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
class Ranked:
    """A picture among the best of a class: its number, its confidence in that class, its key."""

    number: int
    confidence: float
    key: str = ""


@dataclass(frozen=True)
class TopN:
    """The best pictures of each class (by its index, the best first), and those not read."""

    labels: tuple[str, ...]
    best: tuple[tuple[Ranked, ...], ...]
    count: int
    unreadable: Mapping[int, str]


@dataclass(frozen=True)
class NetProblem:
    """Something wrong with a net: where (layer and line, where known), and what to do."""

    message: str
    layer: str | None = None
    line: int | None = None
    # The name given to the net that it was found in: "train", "val", "deploy".
    net: str = ""


@dataclass(frozen=True)
class SkippedWeights:
    """Parameters that were not copied: a layer's name and the reason."""

    layer: str
    reason: str


@dataclass(frozen=True)
class NetCheck:
    """A net that was built: its shapes, its size, and what became of the weights given."""

    shapes: Mapping[str, tuple[int, ...]]
    outputs: Sequence[str]
    param_count: int
    loaded_layers: tuple[str, ...] = ()
    skipped_weights: tuple[SkippedWeights, ...] = ()
