"""Accuracy: the share of items whose label is among the `top_k` best scores.

Shapes: scores (*outer, classes, *inner) with the classes in `axis`; labels, one for each outer and
inner position.  Tops: a number without axes; and the accuracy of each class, (classes), where a
class without items has 0.  No gradient passes.  Source: accuracy_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from digits.caffe.layers.base import Layer, Shape, register
from digits.caffe.layers.labels import class_axis


@register("Accuracy")
class Accuracy(Layer):
    """A score that equals the label's counts as better, so a tie is wrong; nan never is better."""

    exact_bottoms = 2
    min_tops = 1
    max_tops = 2

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.accuracy_param
        self.top_k = field.top_k
        self.ignored = field.ignore_label if field.HasField("ignore_label") else None
        self._shares: list[tuple[Tensor, Tensor]] = []

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.axes = class_axis(self, self.param.accuracy_param.axis, bottoms)
        if not 1 <= self.top_k <= self.axes.classes:
            raise self.error(
                f"top_k is {self.top_k}; expected 1 to {self.axes.classes}, the number of classes"
            )
        return [(), (self.axes.classes,)][: len(self.param.top)]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        scores = self.axes.scores(bottoms[0].detach())
        labels = self.axes.labels(self, bottoms[1], self.ignored)
        valid = torch.ones_like(labels) if self.ignored is None else (labels != self.ignored).long()
        labels = labels * valid
        # Not counting the label itself, which is as good as itself unless it is nan.
        better = (scores >= scores.gather(1, labels)).sum(1, keepdim=True) - 1
        right = (better < self.top_k) & (valid == 1)
        self._shares = [(right.sum(), valid.sum())]
        if len(self.param.top) > 1:
            self._shares.append(self._per_class(labels, valid, right))
        return [(right / items.clamp_min(1)).to(scores.dtype) for right, items in self._shares]

    def shares(self, top: int) -> tuple[Tensor, Tensor]:
        """How many are right, and of how many; each class's for the second top."""
        return self._shares[top]

    def _per_class(self, labels: Tensor, valid: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        flat = labels.reshape(-1)
        zeros = torch.zeros(self.axes.classes, dtype=torch.int64, device=labels.device)
        items = zeros.index_add(0, flat, valid.reshape(-1))
        return zeros.index_add(0, flat, right.reshape(-1).long()), items

    def accepts_gradient(self, index: int) -> bool:
        return False
