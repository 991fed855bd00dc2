"""A net and its weights as an ONNX model.

In: a network for deployment, or one with losses, which are left out together with what only they
read.  Out: a model whose inputs and outputs have the blobs' names, float32.

Elsewhere: pictures in front of it (`pictures.py`), the file (`saving.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import onnx

from digits.caffe.errors import NetError
from digits.caffe.export.batch import BlobShapes, set_batch, shapes_of
from digits.caffe.export.graph import Graph, Place, Value
from digits.caffe.export.registry import MEASURES, writer
from digits.caffe.export.saving import BATCH, Dimension, Port, assemble
from digits.caffe.formats import upgrade
from digits.caffe.layers.base import Layer, LayerContext, Phase
from digits.caffe.net import Net
from digits.caffe.nets.rules import filter_net
from digits.caffe.proto import caffe_pb2

PathLike = str | os.PathLike[str]
# The batch size is free if the net lets it be (AUTO), or an error where it does not (FREE).
AUTO, FREE = "auto", "free"


def export_net(
    network: PathLike | caffe_pb2.NetParameter,
    weights: PathLike | None,
    batch: int | str = AUTO,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The model of a network (a prototxt file or its message) and its weights (a .caffemodel).

    `batch`: AUTO, FREE, or a number of items, which fixes it.  Without weights they are those of
    the fillers.  `metadata` goes into the model.
    Raises LayerError, which names the layer, for what cannot be expressed, and what building a net
    and reading its weights raise.
    """
    net = open_net(network, weights)
    try:
        return model_of(net, batch, metadata)
    finally:
        net.close()


def open_net(network: PathLike | caffe_pb2.NetParameter, weights: PathLike | None) -> Net:
    """The net in the phase TEST, without what only says how good it is."""
    if isinstance(network, caffe_pb2.NetParameter):
        message = network
    else:
        message = upgrade.read_net(os.fspath(network))
    param = without_measures(message)
    for layer in param.layer:
        if layer.type != "Input":
            writer(layer)  # before databases are opened
    return Net(param, Phase.TEST, weights=weights, context=LayerContext())


def without_measures(net: caffe_pb2.NetParameter) -> caffe_pb2.NetParameter:
    """The layers of the phase TEST without losses, accuracies, and what only these are for."""
    kept = caffe_pb2.NetParameter()
    kept.CopyFrom(net)
    kept.state.phase = caffe_pb2.TEST
    kept = filter_net(kept)
    gone: set[str] = set()
    released: set[str] = set()
    layers = []
    for layer in kept.layer:
        if layer.type in MEASURES or gone.intersection(layer.bottom):
            gone.update(set(layer.top) - set(layer.bottom))
            released.update(layer.bottom)
        else:
            layers.append(layer)
    unread = released - {blob for layer in layers for blob in layer.bottom}
    del kept.layer[:]
    kept.layer.extend(each for layer in layers for each in _used(layer, unread))
    return kept


def _used(layer: caffe_pb2.LayerParameter, unread: set[str]) -> Iterable[caffe_pb2.LayerParameter]:
    """An Input without the tops that only measures read; any other layer as it is."""
    if layer.type != "Input" or not unread.intersection(layer.top):
        return [layer]
    tops = [number for number, top in enumerate(layer.top) if top not in unread]
    shapes = list(layer.input_param.shape)
    names = [layer.top[number] for number in tops]
    layer.top[:] = names
    if len(shapes) > 1:
        del layer.input_param.shape[:]
        layer.input_param.shape.extend(shapes[number] for number in tops)
    return [layer] if tops else []


def model_of(
    net: Net, batch: int | str = AUTO, metadata: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """The model of an open net, whose batch size becomes `batch` if that is a number."""
    if isinstance(batch, int):
        set_batch(net, batch)
    shapes = shapes_of(net)
    if batch == FREE and shapes.refusal is not None:
        raise NetError(
            f"The batch size cannot be free. With another one, {shapes.refusal}. Give a number."
        )
    graph = Graph()
    names = {name: graph.claim(name) for name in net.inputs}
    found = write_layers(net, graph, shapes, names)
    ports = _Ports(net, shapes, is_free=isinstance(batch, str))
    outputs = [Port(_called(graph, found[name], name, names), ports.of(name)) for name in found]
    inputs = [Port(names[name], ports.of(name)) for name in net.inputs]
    return assemble(graph, inputs, outputs, net.name, metadata or {})


class _Ports:
    """The shapes that inputs and outputs are declared with."""

    def __init__(self, net: Net, shapes: BlobShapes, *, is_free: bool) -> None:
        self._net, self._shapes, self._is_free = net, shapes, is_free
        # Where items are left out, the number of the rest is nobody's.
        self._selects = any(layer.type in ("Filter", "BatchReindex") for layer in net.engine_layers)

    def of(self, blob: str) -> Sequence[Dimension]:
        """A number for each axis, or a name where the length is free."""
        number = self._net._blob_names.index(blob)
        dims, sizes = self._shapes.dims[number], self._net.blobs[blob].shape
        return [
            self._named(blob, axis, size) if dim is None else dim
            for axis, (dim, size) in enumerate(zip(dims, sizes, strict=True))
        ]

    def _named(self, blob: str, axis: int, size: int) -> Dimension:
        is_input = blob in self._net.inputs
        if not self._is_free and (is_input or not self._selects):
            return size
        first = self._net.blobs[self._net.inputs[0]].shape
        is_batch = axis == 0 and size == first[0] and (is_input or not self._selects)
        return BATCH if is_batch else f"{blob}_{axis}"


def write_layers(
    net: Net, graph: Graph, shapes: BlobShapes, inputs: Mapping[str, str]
) -> dict[str, Value]:
    """Write a net's layers into a graph, which has the values of its inputs under these names.

    The values of its outputs, by blob.
    """
    names, values = net._blob_names, dict[int, Value]()
    last = {top: number for number in range(len(net.layers)) for top in net._top_ids(number)}
    for number, layer in enumerate(net.engine_layers):
        tops = net._top_ids(number)
        if layer.type == "Input":
            values |= {top: Value(inputs[names[top]], shapes.dims[top]) for top in tops}
            continue
        place = Place(
            [values[blob] for blob in net._bottom_ids(number)], [shapes.dims[top] for top in tops]
        )
        since = len(graph.nodes)
        for top, value in zip(tops, _written(graph, layer, place), strict=True):
            # A layer that works in place takes the name from the one before.
            is_last = last[top] == number and names[top] not in inputs
            blob = names[top] if is_last else f"{names[top]}/{layer.name}"
            values[top] = Value(graph.name_top(value, blob, since), shapes.dims[top])
    graph.scope = ""
    outputs = {
        n: values[names.index(n)] for n in net.outputs if n not in net.inputs or _is_made(net, n)
    }
    if not outputs:
        raise NetError("Nothing is left of the net but its inputs: losses are not exported.")
    return outputs


def _is_made(net: Net, blob: str) -> bool:
    """Whether a layer works in place on this input."""
    return net.written_by(blob)[0].type != "Input"


def _written(graph: Graph, layer: Layer, place: Place) -> list[str]:
    graph.scope = layer.name
    try:
        return writer(layer.param)(graph, layer, place)
    except ValueError as error:
        raise layer.error(f"cannot become ONNX: {error}.") from error


def _called(graph: Graph, value: Value, blob: str, inputs: Mapping[str, str]) -> str:
    """The name of an output: the blob's.  That of an input says which layer changed it in place."""
    if value.name == blob and blob not in inputs:
        return blob
    if blob in inputs and value.name != inputs[blob]:
        return value.name
    made = graph.op("Identity", value.name)
    wanted = f"{blob}/same" if blob in inputs else blob
    return graph.name_top(made, wanted, len(graph.nodes) - 1)
