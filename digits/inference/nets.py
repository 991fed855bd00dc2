"""Parse, check and draw nets that users wrote, in bounded time: such a net may be hostile.

In: prototxt text.  Out: what a worker says of it, or an InferenceError.
Elsewhere: what is asked and answered (`operations/nets.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from digits.inference.operations import (
    CheckNets,
    CheckResult,
    DrawNet,
    NetSource,
    ParseNet,
    Picture,
)
from digits.inference.pool import Pool

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


def check_network(
    pool: Pool,
    nets: Sequence[NetSource],
    weights: Path | None = None,
    timeout_s: float = CHECK_TIMEOUT_S,
) -> CheckResult:
    """Build nets (shapes are inferred, nothing is computed) and say what is wrong with each.

    As `CheckNets` has it.  Problems are answered, not raised: raised is WorkerTimeout when the
    check takes too long (what the first one loads is not counted), or WorkerDied when it takes too
    much memory.
    """
    pool.ask(CheckNets((NetSource(_SMALL_NET),)), timeout_s=LOAD_TIMEOUT_S)
    return pool.ask(CheckNets(tuple(nets), weights), timeout_s=timeout_s)


def parse_net(
    pool: Pool,
    text: str,
    name: str = "network",
    timeout_s: float = PARSE_TIMEOUT_S,
    wait_s: float | None = None,
) -> bytes:
    """The net of a text as a serialized NetParameter; see `ParseNet`."""
    return pool.ask(ParseNet(text, name), timeout_s=timeout_s, wait_s=wait_s).binary


def draw_network(
    pool: Pool,
    net: NetSource,
    format: str = "png",
    rankdir: str = "TB",
    all_states: bool = False,
    timeout_s: float = DRAW_TIMEOUT_S,
    wait_s: float | None = None,
) -> Picture:
    """The net as a graph; see `DrawNet`."""
    # Graphviz is ended in time for the answer that says so.
    request = DrawNet(net, format, rankdir, all_states, timeout_s=0.8 * timeout_s)
    return pool.ask(request, timeout_s=timeout_s, wait_s=wait_s)
