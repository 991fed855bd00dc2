"""Weights of a net: copied from files and other nets by layer name, and written to files.

Binary and HDF5 .caffemodel both ways: what is written here real Caffe reads.  Checks and messages
are Caffe's (Net::CopyTrainedLayersFrom, ShareTrainedLayersWith, ToProto in net.cpp).
Elsewhere: how a binary file is read without a copy (`formats/weights_file.py`), HDF5
(`weights_hdf5.py`).
"""

from __future__ import annotations

import logging
from typing import BinaryIO

import torch

from digits.caffe.blob import shape_string
from digits.caffe.errors import WeightsError
from digits.caffe.formats import raw_text, wire
from digits.caffe.formats.files import written_whole
from digits.caffe.formats.weights_file import SourceLayer, WeightsFile, check_nan
from digits.caffe.machine.log import at
from digits.caffe.nets import weights_hdf5
from digits.caffe.nets.nodes import NetParam, Node, Parts
from digits.caffe.proto import caffe_pb2

log = logging.getLogger(__name__)

_SCRATCH = ("To learn this layer's parameters from scratch rather than copying from a saved net, "
            "rename the layer.")  # fmt: skip


def copy_from(parts: Parts, path: str, allow_nan: bool) -> None:
    """Take the weights of layers of the same name from a binary or HDF5 file.

    Raises WeightsError: unreadable, cut or foreign file, other number of parameters, other shape,
    NaN.  Layers before the one that does not fit have their new weights then, as in Caffe.
    """
    if weights_hdf5.is_hdf5(path):
        weights_hdf5.copy_from(parts, path, allow_nan)
        return
    file = WeightsFile(path)
    nodes = {node.name: node for node in reversed(parts.nodes)}
    for source in file.layers:
        node = nodes.get(source.name)
        if node is None:
            log.info("Ignoring source layer %s", source.name, extra=at("net.cpp:746"))
            continue
        _copy_layer(node, source, file, path, allow_nan)


def copy_from_hdf5(parts: Parts, path: str) -> None:
    """Take the weights of layers of the same name from an HDF5 file."""
    weights_hdf5.copy_from(parts, path, allow_nan=False)


def share(parts: Parts, source: Parts) -> None:
    """Use the memory of the parameters of `source` in layers of the same name."""
    nodes = {node.name: node for node in reversed(parts.nodes)}
    for giver in source.nodes:
        node = nodes.get(giver.name)
        if node is None:
            log.info("Ignoring source layer %s", giver.name, extra=at("net.cpp:678"))
            continue
        _check_count(len(node.params), len(giver.params), giver.name, "the other net")
        for index, (ours, theirs) in enumerate(zip(node.params, giver.params, strict=True)):
            if ours.shape != theirs.shape:
                raise WeightsError(
                    f"Cannot share param {index} weights from layer '{giver.name}'; shape "
                    f"mismatch.  Source param shape is {shape_string(theirs.shape)}; target param "
                    f"shape is {shape_string(ours.shape)}"
                )
            _share_one(ours, theirs)


def save(parts: Parts, path: str, diffs: bool = False) -> None:
    """Write a binary .caffemodel, whole or not at all; WeightsError if that fails."""
    try:
        with written_whole(path) as part, open(part, "wb") as file:
            _write_net(file, parts, diffs)
    except OSError as err:
        raise WeightsError(f"{path}: cannot be written: {err.strerror}.") from err


def save_hdf5(parts: Parts, path: str, diffs: bool = False) -> None:
    """Write the weights as HDF5, whole or not at all; WeightsError if that fails."""
    weights_hdf5.save(parts, path, diffs)


def _check_count(ours: int, theirs: int, layer: str, path: str) -> None:
    if ours != theirs:
        raise WeightsError(
            f"Incompatible number of blobs for layer {layer}: {path} has {theirs}, the net {ours}. "
            f"{_SCRATCH}"
        )


def _copy_layer(
    node: Node, source: SourceLayer, file: WeightsFile, path: str, allow_nan: bool
) -> None:
    _check_count(len(node.params), len(source.blobs), source.name, path)
    for index, (use, blob) in enumerate(zip(node.params, source.blobs, strict=True)):
        if not blob.fits(use.shape):
            raise WeightsError(
                f"Cannot copy param {index} weights from layer '{source.name}'; shape mismatch.  "
                f"Source param shape is {shape_string(blob.shape)}; target param shape is "
                f"{shape_string(use.shape)}. {_SCRATCH}"
            )
        target = use.blob.tensor()
        if blob.count != target.numel():
            raise WeightsError(
                f"{path}: param {index} of layer '{source.name}' has {blob.count} values for the "
                f"shape {shape_string(blob.shape)}: the file is damaged."
            )
        file.copy(blob.data, target)
        if blob.diff and sum(len(piece) for piece in blob.diff) == target.numel():
            file.copy(blob.diff, use.blob.diff_tensor())
        if not allow_nan:
            check_nan(target, source.name, index, path)


def _share_one(ours: NetParam, theirs: NetParam) -> None:
    # Through the owners: a parameter that ours shares is shared already.
    if ours.owner < 0:
        ours.blob.share(theirs.blob.tensor())


def _write_net(file: BinaryIO, parts: Parts, diffs: bool) -> None:
    """Stream a NetParameter: the structure as a message, the numbers straight from memory."""
    file.write(raw_text.to_wire(caffe_pb2.NetParameter(name=parts.param.name)))
    for node in parts.nodes:
        message = caffe_pb2.LayerParameter()
        message.CopyFrom(node.layer.param)
        message.ClearField("blobs")
        head = raw_text.to_wire(message)
        sizes = [_blob_size(use, diffs) for use in node.params]
        tag = wire.tag(caffe_pb2.LayerParameter.BLOBS_FIELD_NUMBER)
        length = len(head) + sum(len(tag) + len(wire.varint(size)) + size for size in sizes)
        file.write(wire.tag(caffe_pb2.NetParameter.LAYER_FIELD_NUMBER) + wire.varint(length) + head)
        for use, size in zip(node.params, sizes, strict=True):
            file.write(tag + wire.varint(size))
            _write_blob(file, use, diffs)


def _shape_bytes(use: NetParam) -> bytes:
    shape = caffe_pb2.BlobShape(dim=use.shape)
    return caffe_pb2.BlobProto(shape=shape).SerializeToString()


def _blob_size(use: NetParam, diffs: bool) -> int:
    """Bytes of the BlobProto of a parameter."""
    floats = 4 * use.blob.count
    packed = 1 + len(wire.varint(floats)) + floats
    return packed * (2 if diffs else 1) + len(_shape_bytes(use))


def _write_blob(file: BinaryIO, use: NetParam, diffs: bool) -> None:
    _write_floats(file, caffe_pb2.BlobProto.DATA_FIELD_NUMBER, use.blob.tensor())
    if diffs:
        _write_floats(file, caffe_pb2.BlobProto.DIFF_FIELD_NUMBER, use.blob.diff_tensor())
    file.write(_shape_bytes(use))


def _write_floats(file: BinaryIO, number: int, tensor: torch.Tensor) -> None:
    # Contiguous: a channels_last parameter is written in Caffe's order.
    values = tensor.detach().cpu().contiguous().view(-1).numpy().astype("<f4", copy=False)
    file.write(wire.tag(number) + wire.varint(values.nbytes))
    file.write(values.data)
