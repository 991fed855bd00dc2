"""What a loss is divided by: LossParameter's `normalization`, or its old `normalize`."""

from __future__ import annotations

from torch import Tensor

from digits.caffe.layers.base import Layer
from digits.caffe.proto import caffe_pb2

FULL = caffe_pb2.LossParameter.FULL
VALID = caffe_pb2.LossParameter.VALID
BATCH_SIZE = caffe_pb2.LossParameter.BATCH_SIZE


def normalization_mode(layer: Layer, default: int) -> int:
    """`normalization`, else VALID or BATCH_SIZE as the old `normalize` means, else `default`."""
    field = layer.param.loss_param
    if field.HasField("normalization"):
        return field.normalization
    if field.HasField("normalize"):
        return VALID if field.normalize else BATCH_SIZE
    return default


def normalizer(mode: int, batch: int, full: int, valid: Tensor | None) -> Tensor | float:
    """The divisor, at least 1.

    `batch` is the product of the axes before the classes, `full` that of all label positions,
    `valid` says which of them are not ignored (None: all count).
    """
    if mode == BATCH_SIZE:
        return float(max(batch, 1))
    if mode == VALID and valid is not None:
        return valid.sum().clamp_min(1)
    return float(max(full, 1)) if mode in (FULL, VALID) else 1.0
