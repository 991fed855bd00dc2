"""Labels and indices: blobs of floats that stand for whole numbers.

Caffe cuts their fractions off and reads past the array when one is out of range; here that is an
error which names the value.  On a GPU it is found a little later (`nets/verdict.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import Check, Layer, Shape
from digits.caffe.layers.shapes import bottom_error, bottom_name, canonical_axis, count, show


@dataclass(frozen=True)
class ClassAxis:
    """Scores (*outer, classes, *inner), with a label for each outer and inner position.

    The three numbers are products of axes; scores and labels are brought to three axes.
    """

    outer: int
    classes: int
    inner: int

    def scores(self, blob: Tensor) -> Tensor:
        """The scores as (outer, classes, inner)."""
        return blob.reshape(self.outer, self.classes, self.inner)

    def labels(self, layer: Layer, blob: Tensor, ignored: int | None) -> Tensor:
        """The labels as int64 (outer, 1, inner); as `whole_numbers` for those out of range."""
        reason = f"bottom {bottom_name(layer, 0)} has {self.classes} classes"
        labels = whole_numbers(layer, 1, blob, self.classes, reason, ignored)
        return labels.reshape(self.outer, 1, self.inner)


def class_axis(layer: Layer, axis: int, bottoms: Sequence[Shape]) -> ClassAxis:
    """The axes of scores and labels, the first two bottoms; LayerError when they do not fit."""
    scores = bottoms[0]
    start = canonical_axis(layer, axis, scores)
    axes = ClassAxis(count(scores[:start]), scores[start], count(scores[start + 1 :]))
    if count(bottoms[1]) != axes.outer * axes.inner:
        raise bottom_error(
            layer,
            1,
            bottoms[1],
            f"{axes.outer * axes.inner} labels: one for each position of bottom "
            f"{bottom_name(layer, 0)}, {show(scores)}, outside its axis {start} of classes",
        )
    return axes


def whole_numbers(
    layer: Layer, bottom: int, values: Tensor, limit: int, reason: str, ignored: int | None = None
) -> Tensor:
    """The values of a bottom as int64, fractions cut off, checked to be in [0, limit).

    `reason` says where the limit comes from; `ignored` is a value that is let through.
    Raises LayerError naming the first value out of range and its position; on a GPU the layer's
    `check` does so later, and the answer has other values in their places.
    """
    values = values.detach()
    whole = values.to(torch.int64)
    layer.check = None
    if whole.numel() == 0:
        return whole
    explain = partial(_out_of_range, layer, bottom, values, limit, reason, ignored)
    if values.device.type != "cpu":
        return _checked_later(layer, values, whole, limit, explain, ignored)
    low, high = values.aminmax()
    if float(low) > -1 and float(high) < limit:  # false for nan, too
        return whole
    if not _in_range(values, limit, ignored).all():
        raise explain()
    return whole


def _checked_later(
    layer: Layer,
    values: Tensor,
    whole: Tensor,
    limit: int,
    explain: Callable[[], LayerError],
    ignored: int | None,
) -> Tensor:
    """The whole numbers, those out of range brought into it, with a check left to the layer."""
    within = whole.clamp(0, limit - 1)
    if ignored is not None:
        is_ignored = whole == ignored
        values = values.masked_fill(is_ignored, 0)
        within = torch.where(is_ignored, whole, within)
    low, high = values.aminmax()
    layer.check = Check(low, high, limit, explain)
    return within


def _in_range(values: Tensor, limit: int, ignored: int | None) -> Tensor:
    right = (values > -1) & (values < limit)
    return right if ignored is None else right | (values.to(torch.int64) == ignored)


def _out_of_range(
    layer: Layer, bottom: int, values: Tensor, limit: int, reason: str, ignored: int | None
) -> LayerError:
    wrong = ~_in_range(values, limit, ignored).reshape(-1)
    position = int(wrong.int().argmax())
    return layer.error(
        f"bottom {bottom_name(layer, bottom)} holds {values.reshape(-1)[position].item():g} at "
        f"position {position}; expected whole numbers from 0 to {limit - 1}, because {reason}"
    )
