"""What a training's loss aims at, and what the pictures of each category count in it.

Elsewhere: the loss itself (`digits/caffe/layers/targets.py`), the weights
(`model/training/solver.py`), whether a network has such a loss
(`model/images/classification/solver_fit.py`).
"""

from __future__ import annotations

from digits.model.solver_form import LARGEST_SHARE
from digits.model.training.solver import BALANCED, UNWEIGHTED, SolverOptions
from digits.web.forms import ChoiceField, DigitsForm, NumberField


class LossForm(DigitsForm):
    """Label smoothing and class weights, both of the training's loss alone."""

    label_smoothing = NumberField(
        "Label smoothing", low=0, high=LARGEST_SHARE, default=SolverOptions.label_smoothing,
        description="The share of each answer that training spreads over all categories, so that "
        "the network does not become too sure of itself: 0.1 is usual. 0, the default: none.",
    )  # fmt: skip
    class_weights = ChoiceField(
        "Class weights",
        choices=[(UNWEIGHTED, "None"), (BALANCED, "Balanced")],
        default=SolverOptions.class_weights,
        description="What a picture counts in training. None, the default: all alike. Balanced: "
        "those of rare categories more, so that all categories together count alike.",
    )

    # What the page shows when it is asked for more.
    MORE: tuple[str, ...] = ("label_smoothing", "class_weights")
