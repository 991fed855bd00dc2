"""RNN, LSTM and LSTMUnit.  See `digits/caffe/layers/recurrent.py`.

ONNX's own LSTM knows no `cont`, so a Scan runs Caffe's step over the steps.  An ONNX model keeps
nothing from run to run: without `expose_hidden` each run begins as the first pass of a net does,
with states of 0.  With it, the states are inputs and outputs as in Caffe.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from digits.caffe.export.graph import Graph, Place
from digits.caffe.export.registry import writes
from digits.caffe.layers.recurrent import LSTM, RNN, LSTMUnit

# (body, layer, what the inputs bring, cont, states) -> the output of a step and its states.
Step = Callable[[Graph, RNN | LSTM, str, str, list[str]], tuple[str, list[str]]]


@writes("RNN")
def rnn(graph: Graph, layer: RNN, at: Place) -> list[str]:
    return _scanned(graph, layer, at, _rnn_step)


@writes("LSTM")
def lstm(graph: Graph, layer: LSTM, at: Place) -> list[str]:
    return _scanned(graph, layer, at, _lstm_step)


@writes("LSTMUnit")
def lstm_unit(graph: Graph, layer: LSTMUnit, at: Place) -> list[str]:
    """Tops: c, h."""
    cell, gates, cont = (value.name for value in at.bottoms)
    return list(_unit(graph, cell, gates, graph.op("Unsqueeze", cont, graph.constant([-1]))))


def _scanned(graph: Graph, layer: RNN | LSTM, at: Place, step: Step) -> list[str]:
    driven = _driven(graph, layer, at)
    cont = graph.op("Unsqueeze", at.bottoms[1].name, graph.constant([-1]))
    body = _body(graph, layer, step)
    states = _first_states(graph, layer, at, driven)
    found = graph.ops(
        "Scan", [*states, driven, cont], len(states) + 1, body=body, num_scan_inputs=2
    )
    if not layer.exposed:
        return found[-1:]
    front = graph.constant([0])
    return [found[-1], *(graph.op("Unsqueeze", state, front) for state in found[:-1])]


def _driven(graph: Graph, layer: RNN | LSTM, at: Place) -> str:
    """What the inputs alone bring into the gates, (T, N, gates * num_output)."""
    steps, streams = at.dims[:2]
    x = at.bottom
    if len(at.dims) > 3:
        x = graph.reshape(x, (steps, streams, layer.inputs))
    driven = graph.op("Add", _times(graph, x, layer.params[0]), graph.weights(layer.params[1]))
    if not layer.static:
        return driven
    static = graph.op("Flatten", at.bottoms[2].name, axis=1)
    return graph.op("Add", driven, _times(graph, static, layer.params[2]))


def _first_states(graph: Graph, layer: RNN | LSTM, at: Place, driven: str) -> list[str]:
    if layer.exposed:
        front = graph.constant([0])
        given = at.bottoms[2 + layer.static :]
        return [graph.op("Squeeze", value.name, front) for value in given]
    streams = graph.op("Gather", graph.op("Shape", driven), graph.constant([1]))
    shape = graph.op("Concat", streams, graph.constant([layer.outputs]), axis=0)
    return [graph.op("Expand", graph.number(0), shape)] * layer.states


def _body(graph: Graph, layer: RNN | LSTM, step: Step) -> onnx.GraphProto:
    """The graph of one step: states, driven, cont -> states, output."""
    body = graph.body()
    streams, outputs = graph.claim("streams"), layer.outputs
    states = [graph.claim(f"{layer.name}/{name}") for name in layer.state_names]
    driven, cont = graph.claim(f"{layer.name}/driven"), graph.claim(f"{layer.name}/cont")
    top, after = step(body, layer, driven, cont, states)
    after = [body.op("Identity", state) for state in after]
    widths = [outputs] * len(states)
    ins = zip([*states, driven, cont], [*widths, layer.gates * outputs, 1], strict=True)
    outs = zip([*after, body.op("Identity", top)], [*widths, outputs], strict=True)
    return helper.make_graph(
        body.nodes,
        f"{layer.name}/step",
        [_info(name, [streams, width]) for name, width in ins],
        [_info(name, [streams, width]) for name, width in outs],
    )


def _info(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _rnn_step(
    graph: Graph, layer: RNN | LSTM, driven: str, cont: str, states: list[str]
) -> tuple[str, list[str]]:
    hidden_weight, output_weight, output_bias = layer.params[-3:]
    kept = _times(graph, graph.op("Mul", cont, states[0]), hidden_weight)
    hidden = graph.op("Tanh", graph.op("Add", driven, kept))
    output = graph.op("Add", _times(graph, hidden, output_weight), graph.weights(output_bias))
    return graph.op("Tanh", output), [hidden]


def _lstm_step(
    graph: Graph, layer: RNN | LSTM, driven: str, cont: str, states: list[str]
) -> tuple[str, list[str]]:
    kept = _times(graph, graph.op("Mul", cont, states[0]), layer.params[-1])
    cell, hidden = _unit(graph, states[1], graph.op("Add", driven, kept), cont)
    return hidden, [hidden, cell]


def _unit(graph: Graph, cell: str, gates: str, cont: str) -> tuple[str, str]:
    """The new c and h; the gates are i, f, o, g."""
    parts = graph.ops("Split", [gates], 4, axis=-1, num_outputs=4)
    inward, forget, output = (graph.op("Sigmoid", part) for part in parts[:3])
    kept = graph.op("Mul", graph.op("Mul", cont, forget), cell)
    new = graph.op("Add", kept, graph.op("Mul", inward, graph.op("Tanh", parts[3])))
    return new, graph.op("Mul", output, graph.op("Tanh", new))


def _times(graph: Graph, value: str, matrix: torch.Tensor) -> str:
    """Rows times the transpose of a parameter (outputs, inputs)."""
    turned = np.ascontiguousarray(matrix.detach().cpu().numpy().T)
    return graph.op("MatMul", value, graph.constant(turned, "weights"))
