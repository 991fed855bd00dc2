"""Check and draw nets that users wrote, in a worker: such a net may be hostile.

In: prototxt text.  Out: what is wrong with it, shapes, pictures; or an InferenceError in bounded
time.  No network need be trained for it.
Elsewhere: how a net is built (`work/checking.py`) and drawn (`work/drawing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digits.inference.errors import BadRequest
from digits.inference.pool import Pool
from digits.inference.results import NetCheck, NetProblem, Picture, SkippedWeights

FORMATS = ("png", "svg")
# What a user wrote may be hostile: 3,000 layers are parsed in 0.3 s, and checked for train, test
# and deploy in 4 s.  A form that waits for an answer sets shorter limits.
CHECK_TIMEOUT_S = 30.0
DRAW_TIMEOUT_S = 20.0
PARSE_TIMEOUT_S = 20.0
# For PyTorch, and for what it loads when it builds its first net: on a busy machine that takes
# longer than any check.
LOAD_TIMEOUT_S = 60.0
_SMALL_NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 1 kernel_size: 1 weight_filler { type: "gaussian" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "norm" type: "LRN" bottom: "conv" top: "norm" }
layer { name: "pool" type: "Pooling" bottom: "norm" top: "pool" pooling_param { kernel_size: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "drop" }
layer { name: "ip" type: "InnerProduct" bottom: "drop" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NetSource:
    """A net as prototxt, and the state in which it is looked at.

    `phase` is TRAIN or TEST; `stages` are the states that include and exclude rules may name.
    `data_shapes` says what the data layers give: a top's name to its shape, such as
    {"data": (64, 3, 227, 227), "label": (64,)}; data layers are not run.
    """

    text: str
    name: str = "network"
    phase: str = "TEST"
    stages: tuple[str, ...] = ()
    data_shapes: Mapping[str, Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.phase not in ("TRAIN", "TEST"):
            raise BadRequest(f"The phase is TRAIN or TEST. Received: {self.phase!r}.")

    def to_json(self) -> dict[str, Any]:
        """All but the text, which travels as a part."""
        return {
            "name": self.name,
            "phase": self.phase,
            "stages": list(self.stages),
            "data_shapes": {top: list(shape) for top, shape in self.data_shapes.items()},
        }


@dataclass(frozen=True)
class CheckResult:
    """What was found: `nets` has an entry for each net that could be built, by its name."""

    nets: Mapping[str, NetCheck]
    problems: Sequence[NetProblem]

    @property
    def ok(self) -> bool:
        return not self.problems


def check_network(
    pool: Pool,
    nets: Sequence[NetSource],
    weights: Path | None = None,
    timeout_s: float = CHECK_TIMEOUT_S,
) -> CheckResult:
    """Build nets (shapes are inferred, nothing is computed) and say what is wrong with each.

    With `weights`, a .caffemodel, they are copied into the first of them; what was copied and what
    was not is in its NetCheck.  Problems are answered, not raised: raised is WorkerTimeout when the
    check takes too long (what the first one loads is not counted), or WorkerDied when it takes too
    much memory.
    """
    _ask_to_check(pool, [NetSource(_SMALL_NET)], None, LOAD_TIMEOUT_S)
    answer = _ask_to_check(pool, nets, weights, timeout_s)
    return CheckResult(
        nets={name: _net_check(values) for name, values in answer["nets"].items()},
        problems=[NetProblem(**values) for values in answer["problems"]],
    )


def _ask_to_check(
    pool: Pool, nets: Sequence[NetSource], weights: Path | None, timeout_s: float
) -> Mapping[str, Any]:
    header = {
        "op": "check",
        "nets": [net.to_json() for net in nets],
        "weights": None if weights is None else str(weights),
    }
    texts = [net.text.encode("utf-8", "replace") for net in nets]
    return pool.ask(header, texts, timeout_s=timeout_s).header


def parse_net(
    pool: Pool, text: str, name: str = "network", timeout_s: float = PARSE_TIMEOUT_S
) -> bytes:
    """The net of a text, in the present format, as a serialized NetParameter.

    Raises BadRequest for what is no net; its message begins with NAME:LINE:COLUMN where known.
    """
    parts = [text.encode("utf-8", "replace")]
    return pool.ask({"op": "parse", "name": name}, parts, timeout_s=timeout_s).parts[0]


def draw_network(
    pool: Pool,
    net: NetSource,
    format: str = "png",
    rankdir: str = "TB",
    all_states: bool = False,
    timeout_s: float = DRAW_TIMEOUT_S,
) -> Picture:
    """The net as a graph, with the blobs' shapes on the edges where it can be built.

    With `all_states`, layers of every phase and stage are drawn, with shapes where the net has
    `data_shapes`: those of training, or else of testing.  Without it, where the net cannot be
    built, it is drawn without shapes and the picture's note says why.  Raises BadRequest for text
    that is no prototxt and where Graphviz is missing (the message says what to install).
    """
    if format not in FORMATS:
        raise BadRequest(f"The format is one of {', '.join(FORMATS)}. Received: {format!r}.")
    header = {
        "op": "draw",
        "net": net.to_json(),
        "format": format,
        "rankdir": rankdir,
        "all_states": all_states,
        # Graphviz is ended in time for the answer that says so.
        "timeout_s": 0.8 * timeout_s,
    }
    text = net.text.encode("utf-8", "replace")
    answer = pool.ask(header, [text], timeout_s=timeout_s)
    return Picture(answer.parts[0], answer.header["note"])


def _net_check(values: Mapping[str, Any]) -> NetCheck:
    return NetCheck(
        shapes={blob: tuple(shape) for blob, shape in values["shapes"].items()},
        outputs=tuple(values["outputs"]),
        param_count=values["param_count"],
        loaded_layers=tuple(values["loaded_layers"]),
        skipped_weights=tuple(SkippedWeights(**each) for each in values["skipped_weights"]),
    )
