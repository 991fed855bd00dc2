"""Look into a network while it looks at a picture: numbers, pictures of layers, heat maps.

The numbers of all layers come at once; a picture of a layer is drawn when it is asked for.
`source` is a picture as for `ClassifyOne`; `prepared`: the one that it answered.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from digits.inference.operations.messages import IN_A_PART
from digits.inference.operations.pictures import Source
from digits.inference.operations.request import Request


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

    def summary(self) -> dict[str, Any]:
        """What scripts are told of it, as plain JSON."""
        return {**asdict(self), "count": self.count}


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

    def summary(self) -> dict[str, Any]:
        """What scripts are told of it, as plain JSON."""
        return {
            "index": self.index,
            "name": self.name,
            "type": self.type,
            "tops": [top.summary() for top in self.tops],
            "params": [param.summary() for param in self.params],
            "param_count": self.param_count,
        }


@dataclass(frozen=True)
class AllLayers:
    """Every layer of a network in numbers, in the order in which they run."""

    layers: Annotated[tuple[LayerFacts, ...], IN_A_PART]


@dataclass(frozen=True)
class DescribeLayers(Request[AllLayers]):
    """What each layer makes of a picture."""

    source: Source
    prepared: bool = False


@dataclass(frozen=True)
class Picture:
    """A PNG file (or the format asked for), and what it leaves out ("": nothing)."""

    png: bytes
    note: str = ""


@dataclass(frozen=True)
class DrawActivations(Request[Picture]):
    """What a layer (by its index in `AllLayers`) made of the picture.

    Raises BadRequest when there is no such layer or top.
    """

    source: Source
    layer: int
    top: int = 0
    prepared: bool = False


@dataclass(frozen=True)
class DrawWeights(Request[Picture]):
    """A parameter of a layer; filters over three channels are in colour.

    Raises BadRequest when there is no such layer or parameter.
    """

    layer: int
    param: int = 0


@dataclass(frozen=True)
class HeatMap:
    """Where a class was seen: the picture under the heat map, as a PNG, and for which class."""

    png: bytes
    label: str
    layer: str


@dataclass(frozen=True)
class ExplainClass(Request[HeatMap]):
    """Where in the picture the network saw a class (Grad-CAM), laid over the picture.

    `layer` is the name of the one looked at, None for the last with height and width.  Raises
    BadRequest when there is no such class or layer.
    """

    source: Source
    class_index: int
    layer: str | None = None
    prepared: bool = False
