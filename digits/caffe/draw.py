"""Draw a net as a graph: layers as boxes coloured by kind, blobs as octagons.

    draw_net_to_file(net_param, "lenet.png", rankdir="TB")

In: a NetParameter in the present format.  Out: a pydot graph, or a picture.  An in-place layer
stands between its blob and the layer that made it, so that the graph has no cycles.  Drawn by
Graphviz (`machine/graphviz.py`); free of torch.

Source: the names and arguments of pycaffe 1.0's `caffe.draw`; the layout is ours.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydot

from digits.caffe.machine.graphviz import DrawError, find_graphviz, render
from digits.caffe.proto import caffe_pb2

__all__ = [
    "DrawError",
    "choose_color_by_layertype",
    "draw_net",
    "draw_net_to_file",
    "find_graphviz",
    "get_edge_label",
    "get_layer_label",
    "get_layer_lr_mult",
    "get_pooling_types_dict",
    "get_pydot_graph",
]

RANK_DIRECTIONS = ("LR", "TB", "BT", "RL", "UD")
_BLOB_STYLE = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}
_LAYER_STYLE = {"shape": "box", "style": "filled,rounded"}
_DEFAULT_COLOR = "#6495ED"
# Black text stays readable on all of them.
_COLORS = {
    "#FF5050": "Convolution Deconvolution Im2col",
    "#FF9900": "Pooling SPP",
    "#CC66FF": "InnerProduct Embed RNN LSTM",
    "#90EE90": "ReLU PReLU ELU Sigmoid TanH AbsVal BNLL Power Exp Log Threshold Clip Swish Dropout",
    "#F0E68C": "LRN BatchNorm MVN Scale Bias",
    "#66CDAA": "Data ImageData HDF5Data MemoryData DummyData WindowData Input",
    "#FFB6C1": "SoftmaxWithLoss Softmax EuclideanLoss HingeLoss SigmoidCrossEntropyLoss "
    "MultinomialLogisticLoss InfogainLoss ContrastiveLoss Accuracy",
}
_COLOR_OF_TYPE = {name: color for color, names in _COLORS.items() for name in names.split()}
_UNITS_OF_TYPE = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "Embed": "embed_param",
    "RNN": "recurrent_param",
    "LSTM": "recurrent_param",
}


def get_pooling_types_dict() -> dict[int, str]:
    """Numbers of the pooling methods to their names."""
    return {number: name for name, number in caffe_pb2.PoolingParameter.PoolMethod.items()}


def get_edge_label(layer: caffe_pb2.LayerParameter) -> str:
    """What stands on the edge from a layer to its top when shapes are unknown, quoted for DOT."""
    if layer.type == "Data":
        return _quoted(f"Batch {layer.data_param.batch_size}")
    if layer.type in _UNITS_OF_TYPE:
        return _quoted(str(getattr(layer, _UNITS_OF_TYPE[layer.type]).num_output))
    return '""'


def get_layer_lr_mult(layer: caffe_pb2.LayerParameter) -> tuple[float, float]:
    """The learning rate's factors of a layer's weights and bias; ValueError when it has none."""
    if layer.type not in _UNITS_OF_TYPE:
        raise ValueError(f"{layer.type} layers do not have a learning rate multiplier")
    factors = [param.lr_mult for param in layer.param[:2]]
    factors += [1.0] * (2 - len(factors))
    return factors[0], factors[1]


def get_layer_label(
    layer: caffe_pb2.LayerParameter, rankdir: str | None, display_lrm: bool = False
) -> str:
    """A layer's text, quoted for DOT: name, type, and what shapes its output.

    Where the graph runs from top to bottom (TB, BT) it is kept low, else narrow.
    """
    separator = " " if rankdir in ("TB", "BT", "UD") else "\n"
    lines = [layer.name, f"({layer.type})"]
    describe = _DESCRIPTIONS.get(layer.type)
    if describe is not None:
        lines += describe(layer)
    if display_lrm and layer.type in _UNITS_OF_TYPE:
        weights, bias = get_layer_lr_mult(layer)
        lines.append(f"lr mult: {weights:g}, {bias:g}")
    return _quoted(separator.join(lines))


def choose_color_by_layertype(layertype: str) -> str:
    """The fill of a layer's box: one colour a kind of layer."""
    return _COLOR_OF_TYPE.get(layertype, _DEFAULT_COLOR)


def get_pydot_graph(
    caffe_net: caffe_pb2.NetParameter,
    rankdir: str | None,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> pydot.Dot:
    """The graph of a net.

    `rankdir` LR, TB, BT or RL is where it runs to.  `phase` leaves out the layers of the other
    phase.  `shapes` (blob name to shape) puts them on the edges; else `label_edges` puts the number
    of units there.  Raises ValueError for another `rankdir` or `phase`.
    """
    return _Graph(caffe_net, rankdir or "LR", label_edges, phase, display_lrm, shapes or {}).draw()


def draw_net(
    caffe_net: caffe_pb2.NetParameter,
    rankdir: str | None,
    ext: str = "png",
    phase: int | None = None,
    display_lrm: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
    timeout_s: float | None = None,
) -> bytes:
    """The picture of a net in format `ext` (png, svg, ...).

    Arguments as for `get_pydot_graph`.  Raises DrawError when Graphviz is missing, fails, or takes
    more than `timeout_s` seconds.
    """
    started = time.monotonic()
    graph = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm, shapes=shapes)
    text = graph.to_string()
    if timeout_s is not None:
        timeout_s = max(0.0, timeout_s - (time.monotonic() - started))
    return render(text, ext, timeout_s)


def draw_net_to_file(
    caffe_net: caffe_pb2.NetParameter,
    filename: str | os.PathLike[str],
    rankdir: str | None = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Write the picture of a net; the file's ending says its format."""
    path = Path(filename)
    ext = path.suffix.removeprefix(".")
    if not ext:
        raise ValueError(f"the file's ending says the format, such as .png. Received: {filename}")
    path.write_bytes(draw_net(caffe_net, rankdir, ext, phase, display_lrm, shapes))


class _Graph:
    """One drawing: follows the blobs from layer to layer, in file order.

    A blob's value has a node of its own only where another layer reads it or where it leaves the
    net; what an in-place layer overwrites is an edge from layer to layer.
    """

    def __init__(
        self,
        net: caffe_pb2.NetParameter,
        rankdir: str,
        label_edges: bool,
        phase: int | None,
        display_lrm: bool,
        shapes: Mapping[str, Sequence[int]],
    ) -> None:
        if rankdir not in RANK_DIRECTIONS:
            raise ValueError(
                f"rankdir is one of {', '.join(RANK_DIRECTIONS)}. Received: {rankdir!r}"
            )
        # "UD" is what old scripts say; Graphviz calls it TB.
        self.rankdir = "TB" if rankdir == "UD" else rankdir
        self.label_edges = label_edges
        self.display_lrm = display_lrm
        self.shapes = shapes
        self.inputs = list(net.input)
        self.layers = [layer for layer in net.layer if included(layer, phase)]
        self.graph = pydot.Dot(
            _quoted(net.name or "Net"),
            graph_type="digraph",
            rankdir=self.rankdir,
            compound="true",
            fontname="Helvetica",
        )
        self.graph.set_node_defaults(fontname='"Helvetica"', fontsize="12")
        self.graph.set_edge_defaults(fontname='"Helvetica"', fontsize="10")
        # Blob name to the node that holds its present value, and the edge label of that value.
        self.holders: dict[str, tuple[str, str]] = {}
        self.blob_count = 0

    def draw(self) -> pydot.Dot:
        for name in self.inputs:
            self._add_blob(name)
        readers = self._readers_out_of_place()
        for index, layer in enumerate(self.layers):
            node = f"layer_{index}"
            self._add_layer(node, layer)
            for bottom in layer.bottom:
                self._add_edge(bottom, node)
            for top in layer.top:
                self.holders[top] = (node, self._edge_label(layer, top))
                if (index, top) in readers:
                    self._add_blob(top)
        return self.graph

    def _readers_out_of_place(self) -> set[tuple[int, str]]:
        """(layer index, top) of the values that need a node of their own."""
        shown: set[tuple[int, str]] = set()
        writer: dict[str, int] = {}
        for index, layer in enumerate(self.layers):
            for bottom in layer.bottom:
                if bottom not in layer.top and bottom in writer:
                    shown.add((writer[bottom], bottom))
            writer |= dict.fromkeys(layer.top, index)
        return shown | {(index, name) for name, index in writer.items()}

    def _add_layer(self, node: str, layer: caffe_pb2.LayerParameter) -> None:
        label = get_layer_label(layer, self.rankdir, self.display_lrm)
        fill = _quoted(choose_color_by_layertype(layer.type))
        style: dict[str, Any] = {key: _quoted(value) for key, value in _LAYER_STYLE.items()}
        self.graph.add_node(pydot.Node(node, label=label, fillcolor=fill, **style))

    def _add_blob(self, name: str) -> None:
        node = f"blob_{self.blob_count}"
        self.blob_count += 1
        style: dict[str, Any] = {key: _quoted(value) for key, value in _BLOB_STYLE.items()}
        label = name
        if name not in self.holders and name in self.shapes:
            # An input: no edge leads to it that could say its shape.
            label = f"{name}\n{_shape_text(self.shapes[name])}"
        self.graph.add_node(pydot.Node(node, label=_quoted(label), **style))
        if name in self.holders:
            self._add_edge(name, node)
        self.holders[name] = (node, '""')

    def _add_edge(self, blob: str, node: str) -> None:
        if blob not in self.holders:
            # Nothing above makes it: a mistake in the net, which the picture may show.
            self._add_blob(blob)
        source, label = self.holders[blob]
        self.graph.add_edge(pydot.Edge(source, node, label=label))

    def _edge_label(self, layer: caffe_pb2.LayerParameter, top: str) -> str:
        if top in self.shapes:
            return _quoted(_shape_text(self.shapes[top]))
        return get_edge_label(layer) if self.label_edges and top not in layer.bottom else '""'


def included(layer: caffe_pb2.LayerParameter, phase: int | None) -> bool:
    """Whether a layer is in the net of `phase` (None: every layer is), by its phase rules alone.

    Raises ValueError when the layer has both include and exclude rules.
    """
    if phase is None:
        return True
    if phase not in caffe_pb2.Phase.values():
        raise ValueError(f"phase is caffe.TRAIN (0) or caffe.TEST (1). Received: {phase!r}")
    if layer.include and layer.exclude:
        raise ValueError(f"layer {layer.name} has both include and exclude specified")
    if layer.HasField("phase") and layer.phase != phase:
        return False
    if layer.include:
        return any(not rule.HasField("phase") or rule.phase == phase for rule in layer.include)
    return not any(rule.HasField("phase") and rule.phase == phase for rule in layer.exclude)


def _window(param: Any, default_stride: int = 1) -> list[str]:
    """Kernel size, stride and pad of a ConvolutionParameter or a PoolingParameter."""
    return [
        "kernel size: " + _extent(param, "kernel_size", "kernel", 1),
        "stride: " + _extent(param, "stride", "stride", default_stride),
        "pad: " + _extent(param, "pad", "pad", 0),
    ]


def _extent(param: Any, both: str, stem: str, default: int) -> str:
    """A size given once, once an axis, or by its _h and _w fields, as `5` or `3x5`."""
    if param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w"):
        return f"{getattr(param, stem + '_h')}x{getattr(param, stem + '_w')}"
    value = getattr(param, both)
    if isinstance(value, int):
        return str(value)
    return "x".join(str(size) for size in value) or str(default)


def _describe_convolution(layer: caffe_pb2.LayerParameter) -> list[str]:
    lines = _window(layer.convolution_param)
    dilation = layer.convolution_param.dilation
    if any(size != 1 for size in dilation):
        lines.append("dilation: " + "x".join(str(size) for size in dilation))
    if layer.convolution_param.group != 1:
        lines.append(f"group: {layer.convolution_param.group}")
    return lines


def _describe_pooling(layer: caffe_pb2.LayerParameter) -> list[str]:
    param = layer.pooling_param
    method = get_pooling_types_dict()[param.pool]
    return [method, "global"] if param.global_pooling else [method, *_window(param)]


def _describe_dropout(layer: caffe_pb2.LayerParameter) -> list[str]:
    return [f"ratio: {layer.dropout_param.dropout_ratio:g}"]


_DESCRIPTIONS: dict[str, Callable[[caffe_pb2.LayerParameter], list[str]]] = {
    "Convolution": _describe_convolution,
    "Deconvolution": _describe_convolution,
    "Pooling": _describe_pooling,
    "Dropout": _describe_dropout,
}


def _shape_text(shape: Sequence[int]) -> str:
    return "×".join(str(size) for size in shape) or "scalar"


def _quoted(text: str) -> str:
    """`text` as a quoted DOT string; line ends stay, other control characters show as boxes."""
    clean = "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
