"""Write nets in Python, as pycaffe's `NetSpec`, `layers` and `params` do.

    from digits.caffe import NetSpec, layers as L, params as P
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 32, 32]))
    n.conv1 = L.Convolution(n.data, num_output=16, kernel_size=3)
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.pool1 = L.Pooling(n.relu1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    print(n.to_proto())

`L.Anything(bottoms..., fields...)` makes a Function (one layer) and answers its Top, or a tuple of
`ntop` of them, or, with `ntop=0`, the Function itself.  Nothing is written before `to_proto`, which
puts out every layer that the named tops need, bottoms first.

Free of torch.  Source: the behaviour of pycaffe 1.0.
"""

from __future__ import annotations

import difflib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

from digits.caffe.proto import caffe_pb2

__all__ = [
    "Function",
    "Layers",
    "NetSpec",
    "NoTop",
    "Parameters",
    "Top",
    "assign_proto",
    "layers",
    "param_name_dict",
    "params",
    "to_proto",
]


def param_name_dict() -> dict[str, str]:
    """Layer type (as in ConvolutionParameter, without the ending) to the name of its field.

    The names come from the fields of LayerParameter: {"Convolution": "convolution", ...}.
    """
    names = {}
    for field in caffe_pb2.LayerParameter.DESCRIPTOR.fields:
        if field.name.endswith("_param") and field.message_type is not None:
            type_name = field.message_type.name.removesuffix("Parameter")
            names[type_name] = field.name.removesuffix("_param")
    return names


_PARAM_NAMES = param_name_dict()
_param_names = _PARAM_NAMES  # pycaffe's name for it


class Top:
    """One output of a Function: what the next layer takes as a bottom."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn = fn
        self.n = n

    def to_proto(self) -> caffe_pb2.NetParameter:
        """The net that computes this top."""
        return to_proto(self)


class Function:
    """A layer that is not yet written: its type, its bottoms and its fields.

    `params` are fields of LayerParameter (`name`, `param`, `include`, ...) or of the type's own
    message (`num_output`); `ntop` and `in_place` are ours.  Raises TypeError when an input is no
    Top.
    """

    def __init__(self, type_name: str, inputs: tuple[Any, ...], params: Mapping[str, Any]) -> None:
        for index, value in enumerate(inputs):
            if not isinstance(value, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(value)})")
        self.type_name = type_name
        self.inputs: tuple[Top, ...] = inputs
        self.params = dict(params)
        self.ntop: int = self.params.pop("ntop", 1)
        self.in_place: bool = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def to_proto(self) -> caffe_pb2.NetParameter:
        """The net that ends with this layer."""
        return to_proto(self)


class NetSpec:
    """A net under construction: every attribute set is a top (or a Function) by that name.

    What is set is looked at by `to_proto` only, as in pycaffe.
    """

    tops: OrderedDict[str, Any]

    def __init__(self) -> None:
        # Around our own __setattr__, which takes every name for a top.
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        # Dunder look-ups by copy and pickle must not see a KeyError.
        if name.startswith("__"):
            raise AttributeError(name)
        return self.tops[name]

    def __delattr__(self, name: str) -> None:
        del self.tops[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.__setattr__(name, value)

    def __getitem__(self, name: str) -> Any:
        return self.tops[name]

    def __delitem__(self, name: str) -> None:
        del self.tops[name]

    def to_proto(self) -> caffe_pb2.NetParameter:
        """The net of all layers that the named tops need; raises NoTop for other values."""
        for name, value in self.tops.items():
            _check_top(repr(name), value)
        names: dict[Top | Function, str] = {value: name for name, value in self.tops.items()}
        return _Writer(names).write(self.tops.values())


class NoTop(AttributeError, TypeError):
    """What is to be written is no top.  pycaffe raises AttributeError here; so it is one."""


def _check_top(name: str, value: Any) -> None:
    if not isinstance(value, (Top, Function)):
        hint = " A layer with several tops needs as many names." if isinstance(value, tuple) else ""
        raise NoTop(f"{name} must be a Top. Received: {value!r}.{hint}")


def to_proto(*tops: Top | Function) -> caffe_pb2.NetParameter:
    """The net that computes these tops; layers and blobs are named by type and number.

    Raises NoTop for what is none.
    """
    for index, top in enumerate(tops):
        _check_top(f"argument {index}", top)
    return _Writer({}).write(tops)


class _Writer:
    """Puts Functions out as layers, each once, its inputs' first."""

    def __init__(self, names: Mapping[Top | Function, str]) -> None:
        self.names = dict(names)
        self.counts: Counter[str] = Counter()
        self.written: dict[Function, caffe_pb2.LayerParameter] = {}

    def write(self, tops: Iterable[Top | Function]) -> caffe_pb2.NetParameter:
        for top in tops:
            self._write_with_inputs(top.fn if isinstance(top, Top) else top)
        net = caffe_pb2.NetParameter()
        net.layer.extend(self.written.values())
        return net

    def _write_with_inputs(self, last: Function) -> None:
        # A stack, not recursion: a net may be deeper than Python's stack.
        waiting = [last]
        while waiting:
            function = waiting[-1]
            missing = [top.fn for top in function.inputs if top.fn not in self.written]
            if missing:
                waiting.extend(reversed(missing))
                continue
            waiting.pop()
            if function not in self.written:
                self.written[function] = self._layer(function)

    def _layer(self, function: Function) -> caffe_pb2.LayerParameter:
        layer = caffe_pb2.LayerParameter(type=function.type_name)
        # By the blob's name, which an in-place layer below has from its own bottom.
        layer.bottom.extend(self.written[top.fn].top[top.n] for top in function.inputs)
        if function.in_place and not function.inputs:
            raise TypeError(f"{function.type_name} cannot work in place: it has no input.")
        if function.in_place:
            layer.top.extend(layer.bottom)
        else:
            layer.top.extend(self._name(top) for top in function.tops)
        # A layer is called as its first top.
        layer.name = self._name(function.tops[0] if function.tops else function)
        for name, value in function.params.items():
            _assign_field(layer, function.type_name, name, value)
        return layer

    def _name(self, item: Top | Function) -> str:
        """What the NetSpec calls it, or its type and a number."""
        if item not in self.names:
            function = item.fn if isinstance(item, Top) else item
            self.counts[function.type_name] += 1
            self.names[item] = f"{function.type_name}{self.counts[function.type_name]}"
        return self.names[item]


def _assign_field(
    layer: caffe_pb2.LayerParameter, type_name: str, name: str, value: object
) -> None:
    """Set a field of the layer, or of the message of its type."""
    if name in layer.DESCRIPTOR.fields_by_name:
        assign_proto(layer, name, value)
        return
    own = _PARAM_NAMES.get(type_name)
    if own is None:
        raise AttributeError(
            f"LayerParameter has no field {name!r}, nor a message for {type_name!r}"
        )
    assign_proto(getattr(layer, own + "_param"), name, value)


def assign_proto(proto: Message, name: str, val: Any) -> None:
    """Set field `name` of a message from plain Python values.

    A list (or tuple) fills a repeated field, a dict a message, a list of dicts a repeated message;
    one value (or one dict) given to a repeated field is its only element.  An enum takes its number
    or its name.  Raises AttributeError for an unknown field, TypeError or ValueError for a value
    that does not fit.
    """
    field = proto.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        near = difflib.get_close_matches(name, proto.DESCRIPTOR.fields_by_name, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"{proto.DESCRIPTOR.name} has no field {name!r}.{hint}")
    if field.is_repeated:
        elements = val if isinstance(val, (list, tuple)) else [val]
        for element in elements:
            if field.message_type is None:
                getattr(proto, name).append(_scalar(field, element))
            else:
                _fill_message(getattr(proto, name).add(), element)
    elif field.message_type is not None:
        _fill_message(getattr(proto, name), val)
    else:
        setattr(proto, name, _scalar(field, val))


def _fill_message(message: Message, value: Any) -> None:
    if isinstance(value, Message):
        message.CopyFrom(value)
        return
    if not isinstance(value, Mapping):
        raise TypeError(f"{message.DESCRIPTOR.name} is set from a dict. Received: {value!r}")
    message.SetInParent()
    for name, part in value.items():
        assign_proto(message, name, part)


def _scalar(field: Any, value: Any) -> Any:
    if field.enum_type is None or not isinstance(value, str):
        return value
    if value not in field.enum_type.values_by_name:
        known = ", ".join(field.enum_type.values_by_name)
        raise ValueError(f"{field.name} is one of {known}. Received: {value!r}")
    return field.enum_type.values_by_name[value].number


class Layers:
    """`layers.Anything(...)` makes a layer of that type."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def layer_fn(*args: Top, **kwargs: Any) -> Top | tuple[Top, ...] | Function:
            function = Function(name, args, kwargs)
            if function.ntop == 0:
                return function
            if function.ntop == 1:
                return function.tops[0]
            return function.tops

        return layer_fn


class Parameters:
    """`params.Pooling.MAX` is the number of that enum value of PoolingParameter."""

    def __getattr__(self, name: str) -> Any:
        message = getattr(caffe_pb2, name + "Parameter", None)
        if message is None:
            raise AttributeError(f"caffe.proto has no message {name}Parameter")
        return message


layers = Layers()
params = Parameters()
