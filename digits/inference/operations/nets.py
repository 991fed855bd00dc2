"""Parse, check and draw nets that users wrote; no network need be trained for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from digits.inference.errors import BadRequest
from digits.inference.operations.layers import Picture
from digits.inference.operations.messages import IN_A_PART
from digits.inference.operations.request import Request

FORMATS = ("png", "svg")
PHASES = ("TRAIN", "TEST")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NetSource:
    """A net as prototxt, and the state in which it is looked at.

    `phase` is TRAIN or TEST; `stages` are the states that include and exclude rules may name.
    `data_shapes` says what the data layers give: a top's name to its shape, such as
    {"data": (64, 3, 227, 227), "label": (64,)}; data layers are not run.
    """

    text: Annotated[str, IN_A_PART]
    name: str = "network"
    phase: str = "TEST"
    stages: tuple[str, ...] = ()
    data_shapes: Mapping[str, Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise BadRequest(f"The phase is TRAIN or TEST. Received: {self.phase!r}.")


@dataclass(frozen=True)
class ParsedNet:
    """A net in the present format, as a serialized NetParameter."""

    binary: bytes


@dataclass(frozen=True)
class ParseNet(Request[ParsedNet]):
    """The net of a text.

    Raises BadRequest for what is no net; its message begins with NAME:LINE:COLUMN where known.
    """

    text: Annotated[str, IN_A_PART]
    name: str = "network"


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
    """A net that was built: its shapes, its size, and what became of the weights given.

    `unfit_weights` are those of layers that have other shapes in the file; each is a problem, too.
    `untold_layers` have parameters, and the file has none for them.
    """

    shapes: Mapping[str, Shape]
    outputs: tuple[str, ...]
    param_count: int
    loaded_layers: tuple[str, ...] = ()
    skipped_weights: tuple[SkippedWeights, ...] = ()
    unfit_weights: tuple[SkippedWeights, ...] = ()
    untold_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """What was found: `nets` has an entry for each net that could be built, by its name."""

    nets: Mapping[str, NetCheck]
    problems: tuple[NetProblem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True)
class CheckNets(Request[CheckResult]):
    """Build nets (shapes are inferred, nothing is computed) and say what is wrong with each.

    With `weights`, a .caffemodel, they are copied into the first of them; what was copied and what
    was not is in its NetCheck.  Problems are answered, not raised.
    """

    nets: tuple[NetSource, ...]
    weights: Path | None = None


@dataclass(frozen=True)
class DrawNet(Request[Picture]):
    """The net as a graph, with the blobs' shapes on the edges where it can be built.

    With `all_states`, layers of every phase and stage are drawn, with shapes where the net has
    `data_shapes`: those of training, or else of testing.  Without it, where the net cannot be
    built, it is drawn without shapes and the picture's note says why.  Graphviz gets `timeout_s`
    seconds.  Raises BadRequest for text that is no prototxt and where Graphviz is missing (the
    message says what to install).
    """

    net: NetSource
    format: str
    rankdir: str
    all_states: bool
    timeout_s: float

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise BadRequest(
                f"The format is one of {', '.join(FORMATS)}. Received: {self.format!r}."
            )
