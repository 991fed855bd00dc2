"""Nets that users wrote: from a text to the layers of a state, with nothing that reads files."""

from __future__ import annotations

from collections.abc import Mapping

from digits.caffe.errors import NetError
from digits.caffe.formats import prototxt, upgrade
from digits.caffe.nets import rules
from digits.caffe.proto import caffe_pb2
from digits.inference.operations.nets import NetSource, Shape

# What reads files or memory: in a worker, an Input of the given shape stands for it.
DATA_TYPES = ("Data", "ImageData", "HDF5Data", "MemoryData", "WindowData")


def parse(text: str, name: str) -> caffe_pb2.NetParameter:
    """The net of a text, in the present format.  Raises PrototxtError and NetError."""
    net = prototxt.parse_text(text.encode("utf-8", "replace"), caffe_pb2.NetParameter(), name)
    upgrade.upgrade_net(net, name)
    return net


def filtered(net: caffe_pb2.NetParameter, source: NetSource) -> caffe_pb2.NetParameter:
    """The layers that the state of `source` has.  Raises NetError for contradicting rules."""
    seen = caffe_pb2.NetParameter()
    seen.CopyFrom(net)
    seen.state.CopyFrom(caffe_pb2.NetState(phase=source.phase, stage=source.stages))
    return rules.filter_net(seen)


def without_files(net: caffe_pb2.NetParameter, source: NetSource) -> caffe_pb2.NetParameter:
    """The net with Inputs for its data layers, and nothing that writes.

    Raises NetError for a data layer with a top whose shape was not given.
    """
    safe = caffe_pb2.NetParameter()
    safe.CopyFrom(net)
    for layer in safe.layer:
        if layer.type in DATA_TYPES:
            layer.CopyFrom(_input_layer(layer, source.data_shapes))
        elif layer.type == "HDF5Output":
            layer.CopyFrom(
                caffe_pb2.LayerParameter(name=layer.name, type="Silence", bottom=layer.bottom)
            )
    return safe


def _input_layer(
    layer: caffe_pb2.LayerParameter, shapes: Mapping[str, Shape]
) -> caffe_pb2.LayerParameter:
    stand_in = caffe_pb2.LayerParameter(name=layer.name, type="Input", top=layer.top)
    for top in layer.top:
        if top not in shapes:
            raise NetError(
                f"layer {layer.name!r} ({layer.type}): the shape of its top {top!r} is not known; "
                f"data layers give {', '.join(shapes) or 'nothing'} here"
            )
        stand_in.input_param.shape.add(dim=shapes[top])
    return stand_in
