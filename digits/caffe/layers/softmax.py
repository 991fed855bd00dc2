"""Softmax, and the two losses that have one built in: SoftmaxWithLoss and InfogainLoss.

Shapes: scores (*outer, classes, *inner) with the classes in `axis`; labels, one for each outer and
inner position; the loss has no axes, a second top holds the probabilities, shaped as the scores.
`engine` makes no difference.  Sources: softmax_layer.cpp, softmax_loss_layer.cpp,
infogain_loss_layer.cpp.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from google.protobuf.message import DecodeError
from torch import Tensor

from digits.caffe.layers.autograd import apply_function, at_least_float32
from digits.caffe.layers.base import Layer, Phase, Shape, register
from digits.caffe.layers.labels import class_axis
from digits.caffe.layers.losses import LOG_THRESHOLD, Loss
from digits.caffe.layers.normalization import VALID, normalization_mode, normalizer
from digits.caffe.layers.shapes import bottom_error, bottom_name, canonical_axis, count
from digits.caffe.layers.targets import Targets
from digits.caffe.proto import caffe_pb2

# log(FLT_MIN): Caffe takes smaller probabilities as FLT_MIN.
_LOWEST_LOG = math.log(torch.finfo(torch.float32).tiny)
# Keeps a share of 0 of minus infinity from being nan.
_LOWEST = torch.finfo(torch.float32).min


@register("Softmax")
class Softmax(Layer):
    """exp(x) / sum of exp(x) along `axis`."""

    exact_bottoms = 1
    exact_tops = 1

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.axis = canonical_axis(self, self.param.softmax_param.axis, bottoms[0])
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return [at_least_float32(bottoms[0]).softmax(self.axis)]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        bottom, top = bottoms[0], tops[0]
        return [top * (bottom - (bottom * top).sum(self.axis, keepdim=True))]


@dataclass(frozen=True)
class _Batch:
    """One pass's input to a loss: scores (outer, classes, inner), labels (outer, 1, inner).

    `valid` (outer, 1, inner) is False where the label is ignored, None where all count.
    """

    scores: Tensor
    labels: Tensor
    valid: Tensor | None
    divisor: Tensor | float


class _SoftmaxLoss(Loss):
    """Scores and labels, an axis of classes, `ignore_label`, a normalization, a second top."""

    exact_tops: ClassVar[int | None] = None
    min_tops = 1
    max_tops = 2

    axis_field: int

    def setup(self, bottoms: Sequence[Shape]) -> None:
        self.mode = normalization_mode(self, VALID)
        field = self.param.loss_param
        self.ignored = field.ignore_label if field.HasField("ignore_label") else None
        self._loss_share: tuple[Tensor, Tensor] | None = None

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        super().reshape(bottoms)
        self.axes = class_axis(self, self.axis_field, bottoms)
        return [(), bottoms[0]][: max(1, len(self.param.top))]

    def tops(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        batch = self._batch(bottoms)
        loss, log_probability = self.loss(batch, bottoms)
        # Divided by the labels that count, the loss is no mean over the items.
        if self.mode == VALID and batch.valid is not None:
            self._loss_share = (loss.detach() * batch.divisor, batch.valid.sum())
        if self.remembers:
            self.memory = (log_probability,)
        if len(self.param.top) < 2:
            return [loss]
        return [loss, log_probability.exp().reshape(bottoms[0].shape)]

    def shares(self, top: int) -> tuple[Tensor, Tensor] | None:
        return self._loss_share if top == 0 else None

    def _batch(self, bottoms: Sequence[Tensor]) -> _Batch:
        axes = self.axes
        labels = axes.labels(self, bottoms[1], self.ignored)
        valid = None if self.ignored is None else labels != self.ignored
        divisor = normalizer(self.mode, axes.outer, axes.outer * axes.inner, valid)
        return _Batch(axes.scores(bottoms[0]), labels, valid, divisor)

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        batch = self._batch([at_least_float32(bottom) for bottom in bottoms])
        slope = self.slope(batch, self._probability(batch, tops), bottoms)
        if batch.valid is not None:
            slope = slope * batch.valid
        # The second top, the probabilities, has no gradient.
        return [(batch.scores * slope.detach()).sum() / batch.divisor, *tops[1:]]

    def _probability(self, batch: _Batch, tops: Sequence[Tensor]) -> Tensor:
        """Those of the last forward pass; a second top is their memory."""
        if len(tops) > 1:
            return tops[1].reshape(batch.scores.shape)
        return self.memory[0].exp() if self.memory else torch.zeros_like(batch.scores)

    def loss(self, batch: _Batch, bottoms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The loss, and the logarithms of the probabilities (without gradient)."""
        raise NotImplementedError

    def slope(self, batch: _Batch, probability: Tensor, bottoms: Sequence[Tensor]) -> Tensor:
        """The derivative by the scores, times the divisor, where no label is ignored."""
        raise NotImplementedError


@register("SoftmaxWithLoss")
class SoftmaxWithLoss(_SoftmaxLoss):
    """The mean of -log(softmax(scores)[label]).

    The gradient is that of the softmax also where the probability is clamped to FLT_MIN.  Two tops
    work (real Caffe 1.0 refuses them).  What is trained may have `targets` other than the label.
    """

    def setup(self, bottoms: Sequence[Shape]) -> None:
        super().setup(bottoms)
        self.axis_field = self.param.softmax_param.axis
        is_trained = self.context.phase is Phase.TRAIN and any(self.param.loss_weight)
        self.targets = self.context.targets if is_trained else Targets()

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        tops = super().reshape(bottoms)
        weights, classes = len(self.targets.class_weights), self.axes.classes
        if weights not in (0, classes):
            raise self.error(
                f"the solver has class_weight for {weights} classes, and bottom "
                f"{bottom_name(self, 0)} has {classes}; give one weight for each"
            )
        return tops

    def loss(self, batch: _Batch, bottoms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        if self.targets.is_on:
            # Where all classes have a share, each of them tells: nothing is clamped.
            lowest = _LOWEST if self.targets.smoothing else _LOWEST_LOG
            return _infogain(batch, self._rows(batch), lowest)
        result: tuple[Tensor, Tensor] = apply_function(
            _LogLoss, batch.scores, batch.labels, batch.valid, batch.divisor
        )
        return result

    def slope(self, batch: _Batch, probability: Tensor, bottoms: Sequence[Tensor]) -> Tensor:
        if self.targets.is_on:
            return _infogain_slope(probability, self._rows(batch))
        labels = batch.labels
        if batch.valid is not None:
            labels = labels.masked_fill(~batch.valid, 0)
        return probability.scatter_add(1, labels, probability.new_full(labels.shape, -1.0))

    def _rows(self, batch: _Batch) -> Tensor:
        """The targets, (outer, classes, inner), of whatever class where the label is ignored."""
        return self.targets.rows(
            batch.labels.clamp(0, self.axes.classes - 1), batch.scores.detach()
        )


class _LogLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, labels: Tensor, valid: Tensor | None, divisor: Tensor | float
    ) -> tuple[Tensor, Tensor]:
        log_probability = scores.log_softmax(1)
        if valid is not None:
            labels = labels.masked_fill(~valid, 0)
        losses = -log_probability.gather(1, labels).clamp_min(_LOWEST_LOG)
        if valid is not None:
            losses = losses.masked_fill(~valid, 0)
        ctx.save_for_backward(log_probability, labels, valid)
        ctx.divisor = divisor
        ctx.mark_non_differentiable(log_probability)
        return losses.sum() / divisor, log_probability

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        log_probability, labels, valid = ctx.saved_tensors
        result = log_probability.exp()
        result.scatter_add_(1, labels, result.new_full((), -1.0).expand(labels.shape))
        factor = grads[0] / ctx.divisor
        if valid is not None:
            factor = factor * valid
        return result.mul_(factor), None, None, None


@register("InfogainLoss")
class InfogainLoss(_SoftmaxLoss):
    """The mean of -sum over classes k of H[label, k] * log(softmax(scores)[k]).

    H (classes x classes) is the third bottom, or read from `source`, a binary BlobProto.
    """

    exact_bottoms: ClassVar[int | None] = None
    min_bottoms = 2
    max_bottoms = 3

    def setup(self, bottoms: Sequence[Shape]) -> None:
        super().setup(bottoms)
        if self.param.loss_param.HasField("normalize"):
            raise self.error("loss_param { normalize } is too old for this type; use normalization")
        field = self.param.infogain_loss_param
        self.axis_field = field.axis
        self.matrix: Tensor | None = None
        if len(bottoms) == 2:
            if not field.source:
                raise self.error(
                    "infogain_loss_param needs a source file, or a third bottom, for the matrix H"
                )
            self.matrix = self._read_matrix(os.path.join(self.context.base_dir, field.source))

    def _read_matrix(self, path: str) -> Tensor:
        try:
            blob = caffe_pb2.BlobProto.FromString(Path(path).read_bytes())
        except OSError as error:
            raise self.error(f"cannot read the matrix H, {path}: {error.strerror}") from error
        except DecodeError as error:
            raise self.error(f"{path}: this is no matrix H (no binary BlobProto)") from error
        values = np.array(blob.data or blob.double_data, dtype=np.float64)
        return torch.from_numpy(values).to(self.context.device, self.context.dtype)

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        tops = super().reshape(bottoms)
        classes = self.axes.classes
        wanted = classes * classes
        if self.matrix is not None and self.matrix.numel() != wanted:
            raise self.error(
                f"the matrix H of {self.param.infogain_loss_param.source!r} has "
                f"{self.matrix.numel()} values; expected {wanted} values, {classes} x "
                f"{classes}, for the classes of bottom {bottom_name(self, 0)}"
            )
        if len(bottoms) == 3 and count(bottoms[2]) != wanted:
            expected = f"{wanted} values: a matrix of {classes} x {classes} classes"
            raise bottom_error(self, 2, bottoms[2], expected)
        return tops

    def loss(self, batch: _Batch, bottoms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return _infogain(batch, self._rows(batch, bottoms), math.log(LOG_THRESHOLD))

    def slope(self, batch: _Batch, probability: Tensor, bottoms: Sequence[Tensor]) -> Tensor:
        return _infogain_slope(probability, self._rows(batch, bottoms))

    def _rows(self, batch: _Batch, bottoms: Sequence[Tensor]) -> Tensor:
        """The row of H for each label, (outer, classes, inner)."""
        matrix = self.matrix if self.matrix is not None else bottoms[2].detach()
        table = matrix.reshape(self.axes.classes, self.axes.classes)
        labels = batch.labels.clamp(0, self.axes.classes - 1).squeeze(1)
        return table[labels].transpose(1, 2)

    def accepts_gradient(self, index: int) -> bool:
        return index == 0


def _infogain(batch: _Batch, rows: Tensor, lowest: float) -> tuple[Tensor, Tensor]:
    """The loss where class c of an item counts `rows[c]`; smaller logarithms are `lowest`."""
    if batch.valid is not None:
        rows = rows * batch.valid
    result: tuple[Tensor, Tensor] = apply_function(
        _Infogain, batch.scores, rows, batch.divisor, lowest
    )
    return result


def _infogain_slope(probability: Tensor, rows: Tensor) -> Tensor:
    """Its derivative by the scores, times the divisor."""
    return probability * rows.sum(1, keepdim=True) - rows


class _Infogain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, rows: Tensor, divisor: Tensor | float, lowest: float
    ) -> tuple[Tensor, Tensor]:
        log_probability = scores.log_softmax(1)
        ctx.save_for_backward(log_probability, rows)
        ctx.divisor = divisor
        ctx.mark_non_differentiable(log_probability)
        return -(rows * log_probability.clamp_min(lowest)).sum() / divisor, log_probability

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        log_probability, rows = ctx.saved_tensors
        result = _infogain_slope(log_probability.exp(), rows)
        return result * (grads[0] / ctx.divisor), None, None, None
