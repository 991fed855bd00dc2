"""V0 layers, `layers { layer { type: "conv" kernelsize: 5 } bottom: "a" }`, made V1 layers.

V0 kept the fields of all layer types in one message and padded by layers of type "padding", which
go into the pad of the convolution or pooling after them.  Source: UpgradeV0Net, upgrade_proto.cpp.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from digits.caffe.errors import NetError
from digits.caffe.machine.log import at
from digits.caffe.proto import caffe_pb2

log = logging.getLogger(__name__)

_V1 = caffe_pb2.V1LayerParameter
_TYPES = {
    "accuracy": _V1.ACCURACY,
    "bnll": _V1.BNLL,
    "concat": _V1.CONCAT,
    "conv": _V1.CONVOLUTION,
    "data": _V1.DATA,
    "dropout": _V1.DROPOUT,
    "euclidean_loss": _V1.EUCLIDEAN_LOSS,
    "flatten": _V1.FLATTEN,
    "hdf5_data": _V1.HDF5_DATA,
    "hdf5_output": _V1.HDF5_OUTPUT,
    "im2col": _V1.IM2COL,
    "images": _V1.IMAGE_DATA,
    "infogain_loss": _V1.INFOGAIN_LOSS,
    "innerproduct": _V1.INNER_PRODUCT,
    "lrn": _V1.LRN,
    "multinomial_logistic_loss": _V1.MULTINOMIAL_LOGISTIC_LOSS,
    "pool": _V1.POOLING,
    "relu": _V1.RELU,
    "sigmoid": _V1.SIGMOID,
    "softmax": _V1.SOFTMAX,
    "softmax_loss": _V1.SOFTMAX_LOSS,
    "split": _V1.SPLIT,
    "tanh": _V1.TANH,
    "window_data": _V1.WINDOW_DATA,
}
_PARAMS = {
    "conv": "convolution_param",
    "innerproduct": "inner_product_param",
    "pool": "pooling_param",
    "dropout": "dropout_param",
    "lrn": "lrn_param",
    "data": "data_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "infogain_loss": "infogain_loss_param",
    "window_data": "window_data_param",
    "concat": "concat_param",
    "hdf5_output": "hdf5_output_param",
}


class _Rule(NamedTuple):
    """Where one V0 field goes: its name in V1, the V0 types that have it, Caffe's log line."""

    new_name: str
    types: tuple[str, ...]
    line: int


_DENSE = ("conv", "innerproduct")
_SPATIAL = ("conv", "pool")
_SOURCES = ("data", "hdf5_data", "images", "infogain_loss", "window_data")
_BATCHES = ("data", "hdf5_data", "images", "window_data")
_WINDOW = ("window_data",)
_RULES = {
    "num_output": _Rule("num_output", _DENSE, 237),
    "biasterm": _Rule("bias_term", _DENSE, 249),
    "weight_filler": _Rule("weight_filler", _DENSE, 261),
    "bias_filler": _Rule("bias_filler", _DENSE, 273),
    "pad": _Rule("pad", _SPATIAL, 283),
    "kernelsize": _Rule("kernel_size", _SPATIAL, 295),
    "group": _Rule("group", ("conv",), 304),
    "stride": _Rule("stride", _SPATIAL, 316),
    "pool": _Rule("pool", ("pool",), 341),
    "dropout_ratio": _Rule("dropout_ratio", ("dropout",), 350),
    "local_size": _Rule("local_size", ("lrn",), 359),
    "alpha": _Rule("alpha", ("lrn",), 367),
    "beta": _Rule("beta", ("lrn",), 375),
    "k": _Rule("k", ("lrn",), 383),
    "source": _Rule("source", _SOURCES, 403),
    "batchsize": _Rule("batch_size", _BATCHES, 429),
    "rand_skip": _Rule("rand_skip", ("data", "images"), 449),
    "shuffle_images": _Rule("shuffle", ("images",), 458),
    "new_height": _Rule("new_height", ("images",), 467),
    "new_width": _Rule("new_width", ("images",), 476),
    "concat_dim": _Rule("concat_dim", ("concat",), 485),
    "det_fg_threshold": _Rule("fg_threshold", _WINDOW, 494),
    "det_bg_threshold": _Rule("bg_threshold", _WINDOW, 504),
    "det_fg_fraction": _Rule("fg_fraction", _WINDOW, 514),
    "det_context_pad": _Rule("context_pad", _WINDOW, 524),
    "det_crop_mode": _Rule("crop_mode", _WINDOW, 534),
    "hdf5_output_param": _Rule("", ("hdf5_output",), 544),
}
_TRANSFORMATION = {
    "scale": "scale",
    "meanfile": "mean_file",
    "cropsize": "crop_size",
    "mirror": "mirror",
}


def upgrade_v0_net(net: caffe_pb2.NetParameter, *, is_whole: bool = True) -> bool:
    """Turn the V0 layers of `net` into V1 layers, in place.

    In a net that is not whole, such as one without data layers, bottoms may come from elsewhere.
    Returns False if a field that its layer type does not have was left out (each is logged).
    Raises NetError for an unknown type or a padding layer that cannot be merged.
    """
    layers = _without_padding(net, is_whole)
    upgraded = caffe_pb2.NetParameter(input=net.input, input_dim=net.input_dim)
    for name in ("name", "force_backward"):
        if net.HasField(name):
            setattr(upgraded, name, getattr(net, name))
    complete = True
    for layer in layers:
        complete &= _upgrade_layer(layer, upgraded.layers.add())
    net.CopyFrom(upgraded)
    return complete


def _without_padding(
    net: caffe_pb2.NetParameter, is_whole: bool
) -> list[caffe_pb2.V1LayerParameter]:
    """The layers but for those of type "padding", whose pad moves into the layer they feed."""
    makers: dict[str, caffe_pb2.V1LayerParameter | None] = dict.fromkeys(net.input)
    kept = []
    for connection in net.layers:
        if connection.layer.type != "padding":
            kept.append(connection)
        for index, blob in enumerate(connection.bottom):
            if is_whole and blob not in makers:
                raise NetError(
                    f"layer {connection.layer.name!r} has bottom {blob!r}, but no layer above it "
                    f"has that top. Unknown blob input {blob} to layer {index}"
                )
            maker = makers.get(blob)
            if maker is not None and maker.layer.type == "padding":
                _merge_padding(maker, connection, index)
        makers |= dict.fromkeys(connection.top, connection)
    return kept


def _merge_padding(
    padding: caffe_pb2.V1LayerParameter, consumer: caffe_pb2.V1LayerParameter, index: int
) -> None:
    name, kind = consumer.layer.name, consumer.layer.type
    if kind not in _SPATIAL:
        raise NetError(
            f"layer {name!r}: Padding layer input to non-convolutional / non-pooling layer type "
            f"{kind}"
        )
    if len(consumer.bottom) != 1:
        raise NetError(f"layer {name!r}: Conv Layer takes a single blob as input.")
    if len(padding.bottom) != 1 or len(padding.top) != 1:
        raise NetError(f"layer {padding.layer.name!r}: a padding layer has one bottom and one top.")
    consumer.layer.pad = padding.layer.pad
    consumer.bottom[index] = padding.bottom[0]


def _upgrade_layer(old: caffe_pb2.V1LayerParameter, new: caffe_pb2.V1LayerParameter) -> bool:
    new.bottom.extend(old.bottom)
    new.top.extend(old.top)
    if not old.HasField("layer"):
        return True
    layer = old.layer
    if layer.HasField("name"):
        new.name = layer.name
    if layer.HasField("type"):
        if layer.type not in _TYPES:
            raise NetError(
                f"layer {layer.name!r} has the V0 type {layer.type!r}. Unknown layer name"
            )
        new.type = _TYPES[layer.type]
    new.blobs.MergeFrom(layer.blobs)
    new.blobs_lr.extend(layer.blobs_lr)
    new.weight_decay.extend(layer.weight_decay)
    for old_name, new_name in _TRANSFORMATION.items():
        if layer.HasField(old_name):
            setattr(new.transform_param, new_name, getattr(layer, old_name))
    return _move_fields(layer, new)


def _move_fields(layer: caffe_pb2.V0LayerParameter, new: caffe_pb2.V1LayerParameter) -> bool:
    complete = True
    for name, rule in _RULES.items():
        if not layer.HasField(name):
            continue
        if layer.type not in rule.types:
            shown = "shuffle" if name == "shuffle_images" else name
            log.error(
                "Unknown parameter %s for layer type %s",
                shown,
                layer.type,
                extra=at(f"upgrade_proto.cpp:{rule.line}"),
            )
            complete = False
            continue
        target = getattr(new, _PARAMS[layer.type])
        value = getattr(layer, name)
        if not rule.new_name:
            target.MergeFrom(value)
        elif rule.new_name.endswith("filler"):
            getattr(target, rule.new_name).MergeFrom(value)
        elif target.DESCRIPTOR.fields_by_name[rule.new_name].is_repeated:
            getattr(target, rule.new_name).append(value)
        else:
            setattr(target, rule.new_name, value)
    return complete
