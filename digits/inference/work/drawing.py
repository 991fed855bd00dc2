"""The operation `DrawNet`: a net as a graph, by Graphviz.

Building the net for its shapes may take longer than drawing; where it fails, the graph is drawn
without shapes.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from digits.caffe import draw
from digits.caffe.errors import CaffeError
from digits.caffe.proto import caffe_pb2
from digits.inference.errors import BadRequest
from digits.inference.operations import DrawNet, NetSource, Picture
from digits.inference.work.net_texts import filtered, parse
from digits.inference.work.state import State

Shapes = dict[str, tuple[int, ...]]


def draw_net(state: State, request: DrawNet) -> Picture:
    """The picture; its note says why it has no shapes."""
    deadline = time.monotonic() + request.timeout_s
    source = request.net
    net = parse(source.text, source.name)
    shapes: Shapes = {}
    note = ""
    if request.all_states:
        if source.data_shapes:
            shapes = _shapes_in_all_states(state, net, source)
    else:
        net = filtered(net, source)
        try:
            shapes = _shapes(state, net, source)
        except CaffeError as error:
            note = f"drawn without shapes: {error}"
    return Picture(_draw(net, request, shapes, deadline), note)


def _shapes(state: State, net: caffe_pb2.NetParameter, source: NetSource) -> Shapes:
    # Here, not above: it loads PyTorch, which drawing alone does not need.
    from digits.inference.work.checking import inferred_shapes  # noqa: PLC0415

    return inferred_shapes(net, source, python_layers=state.python_layers)


def _shapes_in_all_states(state: State, net: caffe_pb2.NetParameter, source: NetSource) -> Shapes:
    """The blobs' shapes in training, and of what is not there then, in testing."""
    shapes: Shapes = {}
    for phase in ("TEST", "TRAIN"):
        seen = replace(source, phase=phase)
        with contextlib.suppress(CaffeError):
            shapes.update(_shapes(state, filtered(net, seen), seen))
    return shapes


def _draw(net: caffe_pb2.NetParameter, request: DrawNet, shapes: Shapes, deadline: float) -> bytes:
    try:
        return draw.draw_net(
            net,
            request.rankdir,
            request.format,
            shapes=shapes,
            timeout_s=max(0.1, deadline - time.monotonic()),
        )
    except ValueError as error:
        raise BadRequest(str(error)) from error
