"""A net that a request speaks of: its text, and the state and data shapes in which it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from digits.caffe.errors import NetError
from digits.caffe.formats import prototxt, upgrade
from digits.caffe.nets import rules
from digits.caffe.proto import caffe_pb2

Shape = tuple[int, ...]
# What reads files or memory: in a worker, an Input of the given shape stands for it.
DATA_TYPES = ("Data", "ImageData", "HDF5Data", "MemoryData", "WindowData")


@dataclass(frozen=True)
class RequestedNet:
    """The values of a NetSource."""

    name: str
    phase: str
    stages: tuple[str, ...]
    data_shapes: Mapping[str, Shape]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RequestedNet:
        shapes = {top: tuple(shape) for top, shape in values["data_shapes"].items()}
        return cls(values["name"], values["phase"], tuple(values["stages"]), shapes)

    def state(self) -> caffe_pb2.NetState:
        return caffe_pb2.NetState(phase=self.phase, stage=list(self.stages))


def parse(text: bytes, name: str) -> caffe_pb2.NetParameter:
    """The net of a text, in the present format.  Raises PrototxtError and NetError."""
    net = prototxt.parse_text(text, caffe_pb2.NetParameter(), name)
    upgrade.upgrade_net(net, name)
    return net


def filtered(net: caffe_pb2.NetParameter, wanted: RequestedNet) -> caffe_pb2.NetParameter:
    """The layers that the wanted state has.  Raises NetError for contradicting rules."""
    seen = caffe_pb2.NetParameter()
    seen.CopyFrom(net)
    seen.state.CopyFrom(wanted.state())
    return rules.filter_net(seen)


def without_files(net: caffe_pb2.NetParameter, wanted: RequestedNet) -> caffe_pb2.NetParameter:
    """The net with Inputs for its data layers, and nothing that writes.

    Raises NetError for a data layer with a top whose shape was not given.
    """
    safe = caffe_pb2.NetParameter()
    safe.CopyFrom(net)
    for layer in safe.layer:
        if layer.type in DATA_TYPES:
            layer.CopyFrom(_input_layer(layer, wanted.data_shapes))
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
