"""The losses that compare two blobs, or scores with labels, without a softmax of their own.

Tops: one number without axes, for the whole batch.  Gradients flow into the scores only, except
for EuclideanLoss and ContrastiveLoss, whose two data bottoms both take them.
`num` is the first axis.  Elsewhere: losses with a softmax (`softmax.py`).
Sources: the *_loss_layer.cpp of the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from digits.caffe.layers.autograd import apply_function, at_least_float32, evaluated_at
from digits.caffe.layers.base import Layer, Shape, register
from digits.caffe.layers.labels import whole_numbers
from digits.caffe.layers.normalization import normalization_mode, normalizer
from digits.caffe.layers.shapes import bottom_error, bottom_name, count, legacy_dim, show
from digits.caffe.proto import caffe_pb2

# Probabilities below this are taken as this before the logarithm.
LOG_THRESHOLD = 1e-20


class Loss(Layer):
    """Two bottoms with the same first axis; one top without axes."""

    exact_bottoms: ClassVar[int | None] = 2
    exact_tops: ClassVar[int | None] = 1
    is_loss = True

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if bottoms[0][:1] != bottoms[1][:1]:
            first = bottoms[0][0] if bottoms[0] else "none"
            expected = f"the same first axis as bottom {bottom_name(self, 0)} ({first})"
            raise bottom_error(self, 1, bottoms[1], expected)
        return [()]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return self.tops([at_least_float32(bottom) for bottom in bottoms])

    def tops(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        """The loss, and the other tops, from bottoms of float32 or more."""
        raise NotImplementedError

    def accepts_gradient(self, index: int) -> bool:
        return index != 1


@register("EuclideanLoss")
class EuclideanLoss(Loss):
    """Sum of squared differences / (2 * num)."""

    backward_reads_blobs = False

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        tops = super().reshape(bottoms)
        if count(bottoms[0]) != count(bottoms[1]):
            expected = f"as many values as bottom {bottom_name(self, 0)}, {show(bottoms[0])}"
            raise bottom_error(self, 1, bottoms[1], expected)
        return tops

    def tops(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        first, second = bottoms
        difference = first.reshape(-1) - second.reshape(-1)
        return [difference.square().sum() / (2 * len(first))]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        # Before the first forward: Caffe's difference is still zero.
        return [(bottoms[0].sum() + bottoms[1].sum()) * 0]

    def accepts_gradient(self, index: int) -> bool:
        return True


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Loss):
    """Mean of -log(probability of the label) over `num`; bottoms: probabilities, labels."""

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        tops = super().reshape(bottoms)
        if any(legacy_dim(self, 1, bottoms[1], axis) != 1 for axis in (1, 2, 3)):
            raise bottom_error(self, 1, bottoms[1], "one label for each item")
        return tops

    def tops(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        rows, labels = _rows_and_labels(self, bottoms)
        loss: Tensor = apply_function(_MultinomialLogistic, rows, labels)
        return [loss]


class _MultinomialLogistic(torch.autograd.Function):
    """The gradient does not vanish where a probability is clamped: it is -1 / LOG_THRESHOLD."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, labels: Tensor) -> Tensor:
        chosen = rows.gather(1, labels).clamp_min(LOG_THRESHOLD)
        ctx.save_for_backward(chosen, labels)
        ctx.shape = rows.shape
        return -chosen.log().sum() / len(rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        chosen, labels = ctx.saved_tensors
        result = chosen.new_zeros(ctx.shape)
        return result.scatter_(1, labels, -grads[0] / (chosen * len(chosen))), None


@register("HingeLoss")
class HingeLoss(Loss):
    """One-versus-all hinge: max(0, 1 - t * score) with t 1 for the label and -1 for the others.

    L1: their sum / num; L2: the sum of their squares / num.  Bottoms: scores, labels.
    """

    def tops(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        rows, labels = _rows_and_labels(self, bottoms)
        sign = torch.ones_like(rows).scatter_(1, labels, -1.0)
        margin = functional.relu(1 + sign * rows)
        if self.remembers:
            self.memory = (margin.detach(),)
        if self.param.hinge_loss_param.norm == caffe_pb2.HingeLossParameter.L2:
            margin = margin.square()
        return [margin.sum() / len(rows)]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        rows, labels = _rows_and_labels(self, bottoms)
        margin = self.memory[0] if self.memory else torch.zeros_like(rows)
        slope = margin.detach().scatter(1, labels, -margin.gather(1, labels))
        if self.param.hinge_loss_param.norm == caffe_pb2.HingeLossParameter.L2:
            return [(rows * slope).sum() * 2 / len(rows)]
        return [(rows * slope.sign()).sum() / len(rows)]


def _rows_and_labels(layer: Layer, bottoms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The scores as (num, classes), the first `num` labels as (num, 1)."""
    rows = bottoms[0].reshape(len(bottoms[0]), -1)
    classes = rows.shape[1]
    reason = f"bottom {bottom_name(layer, 0)} has {classes} values an item"
    labels = whole_numbers(layer, 1, bottoms[1].reshape(-1)[: len(rows)], classes, reason)
    return rows, labels.unsqueeze(1)


@register("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(Loss):
    """Cross entropy of sigmoid(score) with targets from 0 to 1, item by item.

    Targets that equal `ignore_label` count for nothing.  Normalization is BATCH_SIZE by default.
    """

    def setup(self, bottoms: Sequence[Shape]) -> None:
        self.mode = normalization_mode(self, caffe_pb2.LossParameter.BATCH_SIZE)

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        tops = super().reshape(bottoms)
        if count(bottoms[0]) != count(bottoms[1]):
            expected = f"as many targets as bottom {bottom_name(self, 0)} has values"
            raise bottom_error(self, 1, bottoms[1], f"{expected}, {show(bottoms[0])}")
        return tops

    def tops(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        scores, targets = bottoms[0], bottoms[1].detach().reshape(bottoms[0].shape)
        losses = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        valid = self._valid(targets)
        if valid is not None:
            losses = torch.where(valid, losses, 0.0)
        divisor = self._divisor(bottoms[0], valid)
        if self.remembers:
            self.memory = (scores.detach().sigmoid(), torch.as_tensor(divisor))
        return [losses.sum() / divisor]

    def _valid(self, targets: Tensor) -> Tensor | None:
        field = self.param.loss_param
        if not field.HasField("ignore_label"):
            return None
        return targets.to(torch.int64) != field.ignore_label

    def _divisor(self, scores: Tensor, valid: Tensor | None) -> Tensor | float:
        batch = scores.shape[0] if scores.dim() else 1
        return normalizer(self.mode, batch, scores.numel(), valid)

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        targets = bottoms[1].detach().reshape(bottoms[0].shape)
        valid = self._valid(targets)
        empty = (torch.zeros_like(targets), self._divisor(bottoms[0], valid))
        sigmoid, divisor = self.memory or empty
        slope = sigmoid - targets
        if valid is not None:
            slope = torch.where(valid, slope, 0.0)
        return [(bottoms[0] * slope).sum() / divisor]


@register("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """For pairs (a, b): similar ones pay their squared distance, others (margin - distance)^2.

    Both / (2 * num).  With `legacy_version` dissimilar pairs pay max(0, margin - squared distance).
    Bottoms: a (N, C), b (N, C), and a label (N), not 0 for a similar pair.
    """

    exact_bottoms = 3

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        tops = super().reshape(bottoms)
        for index in (0, 1):
            if legacy_dim(self, index, bottoms[index], 1) != legacy_dim(self, 0, bottoms[0], 1):
                expected = f"as many channels as bottom {bottom_name(self, 0)}, {show(bottoms[0])}"
                raise bottom_error(self, index, bottoms[index], expected)
            if any(legacy_dim(self, index, bottoms[index], axis) != 1 for axis in (2, 3)):
                raise bottom_error(self, index, bottoms[index], "height and width 1")
        if bottoms[2][:1] != bottoms[0][:1] or any(size != 1 for size in bottoms[2][1:]):
            raise bottom_error(self, 2, bottoms[2], f"one label for each of {bottoms[0][0]} pairs")
        return tops

    def tops(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        field = self.param.contrastive_loss_param
        first, second = (blob.reshape(len(blob), -1) for blob in bottoms[:2])
        similar = bottoms[2].detach().reshape(-1, 1).to(torch.int64) != 0
        difference = first - second
        if self.remembers:
            self.memory = (difference.detach(),)
        loss: Tensor = apply_function(
            _Contrastive, difference, similar, field.margin, field.legacy_version
        )
        return [loss]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        first, second = (blob.reshape(len(blob), -1) for blob in bottoms[:2])
        difference = self.memory[0] if self.memory else torch.zeros_like(first)
        # The difference that forward left, as a function of the bottoms as they are.
        kept = evaluated_at(difference, first - second)
        return self.tops([kept, torch.zeros_like(first), bottoms[2]])

    def accepts_gradient(self, index: int) -> bool:
        return index != 2


class _Contrastive(torch.autograd.Function):
    """The gradient of a dissimilar pair is divided by (distance + 1e-4), as in Caffe."""

    @staticmethod
    def forward(
        ctx: Any, difference: Tensor, similar: Tensor, margin: float, legacy: bool
    ) -> Tensor:
        square = difference.square().sum(1, keepdim=True)
        distance = square.sqrt()
        missing = (margin - (square if legacy else distance)).clamp_min(0)
        ctx.save_for_backward(difference, similar, distance, missing)
        ctx.legacy = legacy
        apart = missing if legacy else missing.square()
        return torch.where(similar, square, apart).sum() / (2 * len(difference))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        difference, similar, distance, missing = ctx.saved_tensors
        apart = -(missing > 0).to(difference.dtype) if ctx.legacy else -missing / (distance + 1e-4)
        factor = torch.where(similar, 1.0, apart)
        return grads[0] / len(difference) * factor * difference, None, None, None
