"""The `draw` operation: a net as a graph, by Graphviz.

Building the net for its shapes may take longer than drawing; where it fails, the graph is drawn
without shapes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from digits.caffe import draw
from digits.caffe.errors import CaffeError
from digits.caffe.proto import caffe_pb2
from digits.inference.errors import BadRequest
from digits.inference.protocol import Message
from digits.inference.work.requested import RequestedNet, filtered, parse


def draw_net(request: Message) -> Message:
    """Header: net, format, rankdir, all_states, timeout_s; part: the text.  Answers the picture."""
    header = request.header
    deadline = time.monotonic() + header["timeout_s"]
    wanted = RequestedNet.from_json(header["net"])
    net = parse(request.parts[0], wanted.name)
    shapes: dict[str, tuple[int, ...]] = {}
    note = ""
    if header["all_states"]:
        if wanted.data_shapes:
            shapes = _shapes_in_all_states(net, wanted)
    else:
        net = filtered(net, wanted)
        # Here, not above: it loads PyTorch, which drawing alone does not need.
        from digits.inference.work.checking import inferred_shapes  # noqa: PLC0415

        try:
            shapes = inferred_shapes(net, wanted)
        except CaffeError as error:
            note = f"drawn without shapes: {error}"
    return Message({"note": note}, [_draw(net, header, shapes, deadline)])


def _shapes_in_all_states(
    net: caffe_pb2.NetParameter, wanted: RequestedNet
) -> dict[str, tuple[int, ...]]:
    """The blobs' shapes in training, and of what is not there then, in testing."""
    from digits.inference.work.checking import inferred_shapes  # noqa: PLC0415 - as above

    shapes: dict[str, tuple[int, ...]] = {}
    for phase in ("TEST", "TRAIN"):
        state = replace(wanted, phase=phase)
        with contextlib.suppress(CaffeError):
            shapes.update(inferred_shapes(filtered(net, state), state))
    return shapes


def _draw(
    net: caffe_pb2.NetParameter,
    header: Mapping[str, Any],
    shapes: dict[str, tuple[int, ...]],
    deadline: float,
) -> bytes:
    try:
        return draw.draw_net(
            net,
            header["rankdir"],
            header["format"],
            shapes=shapes,
            timeout_s=max(0.1, deadline - time.monotonic()),
        )
    except ValueError as error:
        raise BadRequest(str(error)) from error
