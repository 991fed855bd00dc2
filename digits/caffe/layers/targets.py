"""What a softmax loss aims at: the label alone, or a share for every class; and what each counts.

With smoothing s, k classes and the weights w, an item of the class y has the targets
w[c] * ((1 - s) * [c == y] + s / k), and the loss - sum over c of target[c] * log(probability[c]):
Caffe's InfogainLoss with these as the rows of its matrix.  Sums over items are divided as the layer
divides them (`normalization.py`), by the number of labels unless it says otherwise, not by the sum
of their weights.

Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision (2015), section 7;
with weights as PyTorch's cross_entropy has them.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """How much of each label goes to all classes (0 to below 1), and a weight for each class.

    Without weights, all classes have 1.
    """

    smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether they are other than the label alone, which all losses have anyway."""
        return self.smoothing > 0 or bool(self.class_weights)

    def rows(self, labels: Tensor, like: Tensor) -> Tensor:
        """The targets of labels (outer, 1, inner) for scores `like`, in their shape and type."""
        rows = like.new_full(like.shape, self.smoothing / like.shape[1])
        rows.scatter_add_(1, labels, like.new_full(labels.shape, 1 - self.smoothing))
        if not self.class_weights:
            return rows
        return rows * like.new_tensor(self.class_weights).reshape(1, -1, 1)
