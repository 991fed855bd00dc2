"""Bring nets and solvers written for older Caffes to the current form, with Caffe's log remarks.

In: a message as it stands in its file.  Out: the same message, changed in place.  Five steps, in
Caffe's order: V0 layers (`layers { layer { type: "conv" } }`, in `upgrade_v0.py`), scale,
mean_file, crop_size and mirror inside V1 data layers, V1 layers (`layers { type: CONVOLUTION }`,
in `upgrade_v1.py`), the net's `input` fields, BatchNorm layers that declare three parameters.
Source of the rules: upgrade_proto.cpp.
"""

from __future__ import annotations

import logging
import os

from digits.caffe.errors import NetError, SolverError
from digits.caffe.formats import prototxt
from digits.caffe.formats.upgrade_v0 import upgrade_v0_net
from digits.caffe.formats.upgrade_v1 import upgrade_v1_net
from digits.caffe.machine.log import at
from digits.caffe.proto import caffe_pb2

PathLike = str | os.PathLike[str]

log = logging.getLogger(__name__)

_SOLVER_TYPES = {
    caffe_pb2.SolverParameter.SGD: "SGD",
    caffe_pb2.SolverParameter.NESTEROV: "Nesterov",
    caffe_pb2.SolverParameter.ADAGRAD: "AdaGrad",
    caffe_pb2.SolverParameter.RMSPROP: "RMSProp",
    caffe_pb2.SolverParameter.ADADELTA: "AdaDelta",
    caffe_pb2.SolverParameter.ADAM: "Adam",
}

_DATA_PARAMS = {
    caffe_pb2.V1LayerParameter.DATA: "data_param",
    caffe_pb2.V1LayerParameter.IMAGE_DATA: "image_data_param",
    caffe_pb2.V1LayerParameter.WINDOW_DATA: "window_data_param",
}
_TRANSFORMATION = ("scale", "mean_file", "crop_size", "mirror")


def read_net(path: PathLike) -> caffe_pb2.NetParameter:
    """The net in a prototxt file, in the current form.

    Raises PrototxtError (unreadable, does not parse) and NetError (cannot be upgraded).
    """
    net = prototxt.read_net(path)
    upgrade_net(net, str(path))
    return net


def read_solver(path: PathLike) -> caffe_pb2.SolverParameter:
    """The solver in a prototxt file, in the current form (`type: "SGD"`)."""
    solver = prototxt.read_solver(path)
    upgrade_solver(solver, str(path))
    return solver


def upgrade_net(net: caffe_pb2.NetParameter, source: str, *, is_whole: bool = True) -> bool:
    """Bring `net` to the current form; `source` is its name in log lines.

    Data layers that are still to be added to a net that is not whole may be missing; Caffe stops at
    their absence in V0.

    Returns whether everything could be carried over; what could not is logged, and left out, as in
    Caffe.  Raises NetError for what Caffe refuses altogether.
    """
    complete = True
    if is_v0(net):
        complete &= _upgrade_v0(net, source, is_whole)
    if has_old_transformation(net):
        _upgrade_transformation(net, source)
    if is_v1(net):
        complete &= _upgrade_v1(net, source)
    if net.input:
        _upgrade_input(net, source)
    if has_old_batch_norm(net):
        _upgrade_batch_norm(net, source)
    return complete


def needs_upgrade(net: caffe_pb2.NetParameter) -> bool:
    """Whether `upgrade_net` would change anything."""
    return bool(is_v1(net) or net.input or has_old_batch_norm(net))


def is_v0(net: caffe_pb2.NetParameter) -> bool:
    """Whether a layer is written as `layers { layer { ... } }`."""
    return any(layer.HasField("layer") for layer in net.layers)


def is_v1(net: caffe_pb2.NetParameter) -> bool:
    """Whether layers are written as `layers { ... }`."""
    return len(net.layers) > 0


def has_old_transformation(net: caffe_pb2.NetParameter) -> bool:
    """Whether a V1 data layer has scale, mean_file, crop_size or mirror among its own fields."""
    return any(_old_transformation_fields(layer) for layer in net.layers)


def has_old_batch_norm(net: caffe_pb2.NetParameter) -> bool:
    """Whether a BatchNorm layer declares its three statistics as parameters."""
    return any(layer.type == "BatchNorm" and len(layer.param) == 3 for layer in net.layer)


def upgrade_solver(solver: caffe_pb2.SolverParameter, source: str) -> None:
    """Turn an old `solver_type: ADAM` into `type: "Adam"`; SolverError if both are given."""
    if not solver.HasField("solver_type"):
        return
    log.info(
        "Attempting to upgrade input file specified using deprecated 'solver_type' field (enum)': "
        "%s",
        source,
        extra=at("upgrade_proto.cpp:1084"),
    )
    if solver.HasField("type"):
        raise SolverError(
            f"{source}: Failed to upgrade solver: old solver_type field (enum) and new type field "
            "(string) cannot be both specified in solver proto text. Remove solver_type."
        )
    solver.type = _SOLVER_TYPES[solver.solver_type]
    solver.ClearField("solver_type")
    log.info(
        "Successfully upgraded file specified using deprecated 'solver_type' field (enum) to "
        "'type' field (string).",
        extra=at("upgrade_proto.cpp:1091"),
    )
    log.warning(
        "Note that future Caffe releases will only support 'type' field (string) for a solver's "
        "type.",
        extra=at("upgrade_proto.cpp:1093"),
    )


def _upgrade_v0(net: caffe_pb2.NetParameter, source: str, is_whole: bool) -> bool:
    _attempt(28, "V0LayerParameter", source)
    complete = upgrade_v0_net(net, is_whole=is_whole)
    if complete:
        _success(36, "V0LayerParameter")
    else:
        log.error(
            "Warning: had one or more problems upgrading V0NetParameter to NetParameter (see "
            "above); continuing anyway.",
            extra=at("upgrade_proto.cpp:33"),
        )
    log.warning(
        "Note that future Caffe releases will not support V0NetParameter; use "
        "./build/tools/upgrade_net_proto_text for prototxt and "
        "./build/tools/upgrade_net_proto_binary for model weights upgrade this and any other net "
        "protos to the new format.",
        extra=at("upgrade_proto.cpp:39"),
    )
    return complete


def _old_transformation_fields(layer: caffe_pb2.V1LayerParameter) -> list[str]:
    param = _DATA_PARAMS.get(layer.type)
    if param is None or not layer.HasField(param):
        return []
    return [name for name in _TRANSFORMATION if getattr(layer, param).HasField(name)]


def _upgrade_transformation(net: caffe_pb2.NetParameter, source: str) -> None:
    _attempt(46, "transformation parameters", source)
    for layer in net.layers:
        for name in _old_transformation_fields(layer):
            own = getattr(layer, _DATA_PARAMS[layer.type])
            setattr(layer.transform_param, name, getattr(own, name))
            own.ClearField(name)
    _success(49, "data transformation parameters.")
    log.warning(
        "Note that future Caffe releases will only support transform_param messages for "
        "transformation fields.",
        extra=at("upgrade_proto.cpp:51"),
    )


def _upgrade_v1(net: caffe_pb2.NetParameter, source: str) -> bool:
    _attempt(55, "V1LayerParameter", source)
    complete = upgrade_v1_net(net)
    if complete:
        _success(63, "V1LayerParameter")
    else:
        log.error(
            "Warning: had one or more problems upgrading V1LayerParameter (see above); continuing "
            "anyway.",
            extra=at("upgrade_proto.cpp:60"),
        )
    return complete


def _upgrade_input(net: caffe_pb2.NetParameter, source: str) -> None:
    _attempt(69, "input fields", source)
    # Weights may name inputs without shapes: these are only dropped.
    if net.input_shape or net.input_dim:
        first = _input_layer(net)
        layers = list(net.layer)
        net.ClearField("layer")
        net.layer.append(first)
        net.layer.extend(layers)
    for name in ("input", "input_shape", "input_dim"):
        net.ClearField(name)
    _success(72, "input fields.")
    log.warning(
        "Note that future Caffe releases will only support input layers and not input fields.",
        extra=at("upgrade_proto.cpp:74"),
    )


def _input_layer(net: caffe_pb2.NetParameter) -> caffe_pb2.LayerParameter:
    """The Input layer for the net's `input` fields: a shape each, or four `input_dim` each."""
    count = len(net.input)
    shapes = [list(shape.dim) for shape in net.input_shape]
    if not shapes:
        shapes = [list(net.input_dim[i : i + 4]) for i in range(0, len(net.input_dim), 4)]
    if len(shapes) < count or len(shapes[count - 1]) < 4 * (not net.input_shape):
        raise NetError(
            f"the net names {count} input(s) and gives {len(net.input_shape)} input_shape and "
            f"{len(net.input_dim)} input_dim. Give one input_shape, or four input_dim, for each."
        )
    layer = caffe_pb2.LayerParameter(name="input", type="Input", top=net.input)
    for shape in shapes[:count]:
        layer.input_param.shape.add(dim=shape)
    return layer


def _upgrade_batch_norm(net: caffe_pb2.NetParameter, source: str) -> None:
    log.info(
        "Attempting to upgrade batch norm layers using deprecated params: %s",
        source,
        extra=at("upgrade_proto.cpp:79"),
    )
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            for spec in layer.param:
                spec.lr_mult = 0.0
                spec.decay_mult = 0.0
    log.info(
        "Successfully upgraded batch norm layers using deprecated params.",
        extra=at("upgrade_proto.cpp:82"),
    )


def _attempt(line: int, what: str, source: str) -> None:
    log.info(
        "Attempting to upgrade input file specified using deprecated %s: %s",
        what,
        source,
        extra=at(f"upgrade_proto.cpp:{line}"),
    )


def _success(line: int, what: str) -> None:
    log.info(
        "Successfully upgraded file specified using deprecated %s",
        what,
        extra=at(f"upgrade_proto.cpp:{line}"),
    )
