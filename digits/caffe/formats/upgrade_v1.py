"""V1 layers, `layers { type: CONVOLUTION blobs_lr: 1 }`, made `layer { type: "Convolution" }`.

Source: UpgradeV1Net in upgrade_proto.cpp.
"""

from __future__ import annotations

import logging
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from digits.caffe.errors import NetError
from digits.caffe.machine.log import at
from digits.caffe.proto import caffe_pb2

log = logging.getLogger(__name__)

# Names whose capitals do not follow from V1's (HINGE_LOSS is HingeLoss).
_SPECIAL = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "IM2COL": "Im2col",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
_SHARE_MODES = {
    caffe_pb2.V1LayerParameter.STRICT: caffe_pb2.ParamSpec.STRICT,
    caffe_pb2.V1LayerParameter.PERMISSIVE: caffe_pb2.ParamSpec.PERMISSIVE,
}
_PLAIN = ("name", "bottom", "top", "include", "exclude", "blobs", "loss_weight")


def type_name(v1_type: int) -> str:
    """The current name of a V1 layer type, "Convolution" for CONVOLUTION."""
    name = caffe_pb2.V1LayerParameter.LayerType.Name(v1_type)
    return _SPECIAL.get(name, name.title().replace("_", ""))


def upgrade_v1_net(net: caffe_pb2.NetParameter) -> bool:
    """Turn the V1 layers of `net` into current ones, in place.

    Returns False if a V0 layer was left out (it is logged).  Raises NetError if the net has layers
    of both forms.
    """
    if net.layer:
        raise NetError(
            "Refusing to upgrade inconsistent NetParameter input; the definition includes both "
            "'layer' and 'layers' fields. The current format defines 'layer' fields with string "
            "type like layer { type: 'Layer' ... } and not layers { type: LAYER ... }. Manually "
            "switch the definition to 'layer' format to continue."
        )
    complete = True
    for old in net.layers:
        complete &= _upgrade_layer(old, net.layer.add())
    net.ClearField("layers")
    return complete


def _upgrade_layer(old: caffe_pb2.V1LayerParameter, new: caffe_pb2.LayerParameter) -> bool:
    for field, value in old.ListFields():
        if field.name in _PLAIN or field.name.endswith("_param"):
            _copy(field, value, new)
    if old.HasField("type"):
        new.type = type_name(old.type)
    specs = max(len(old.param), len(old.blob_share_mode), len(old.blobs_lr), len(old.weight_decay))
    for _ in range(specs):
        new.param.add()
    for spec, name in zip(new.param, old.param, strict=False):
        spec.name = name
    for spec, mode in zip(new.param, old.blob_share_mode, strict=False):
        spec.share_mode = _SHARE_MODES[mode]
    for spec, lr_mult in zip(new.param, old.blobs_lr, strict=False):
        spec.lr_mult = lr_mult
    for spec, decay_mult in zip(new.param, old.weight_decay, strict=False):
        spec.decay_mult = decay_mult
    if old.HasField("layer"):
        log.error(
            "Input NetParameter has V0 layer -- ignoring.",
            extra=at("upgrade_proto.cpp:867"),
        )
        return False
    return True


def _copy(field: FieldDescriptor, value: Any, new: caffe_pb2.LayerParameter) -> None:
    if field.is_repeated:
        getattr(new, field.name).extend(value)
    elif field.message_type:
        getattr(new, field.name).CopyFrom(value)
    else:
        setattr(new, field.name, value)
