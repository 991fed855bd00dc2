"""How weights are changed: the solver, and the numbers that it reads beside the learning rate.

An empty field means what is usual (`model/training/solver.py`); the fields of other solvers are not
looked at, as those of other policies.  Elsewhere: the rate itself (`forms.py`).
"""

from __future__ import annotations

from typing import Any

from digits.model.forms import LearningRateForm, fields_of_others
from digits.model.training.solver import (
    SOLVER_FIELDS,
    SOLVER_TITLES,
    USUAL,
    SolverOptions,
)
from digits.web.forms import ChoiceField, NumberField, WholeNumberField

MOST_BATCHES = 10_000
LARGEST_NORM = 1_000_000
# A share of what was: with all of it, nothing new would ever count.
LARGEST_SHARE = 0.999999


def _share(label: str, description: str) -> NumberField:
    return NumberField(label, low=0, high=LARGEST_SHARE, optional=True, description=description)


class SolverForm(LearningRateForm):
    """A learning rate, and everything else that a solver is told of a change of weights."""

    solver_type = ChoiceField(
        "Solver type",
        choices=list(SOLVER_TITLES.items()),
        default=SolverOptions.solver_type,
        description="How weights are changed. SGD, the default, works well for every network here.",
    )
    batch_accumulation = WholeNumberField(
        "Batch accumulation", low=1, high=MOST_BATCHES, optional=True,
        description="How many batches are added up before the weights change once. 4 batches of 32 "
        "learn like one of 128, in the memory of 32. Empty: one.",
    )  # fmt: skip
    momentum = _share(
        "Momentum",
        "The share of the last step that goes into the next one, so that steps in one direction "
        f"grow. Empty: {USUAL['momentum']:g}. 0: none.",
    )
    momentum2 = _share(
        "Second momentum",
        "Adam's memory of how large gradients were: the share of it that is kept at each step. "
        f"Empty: {USUAL['momentum2']:g}.",
    )
    rms_decay = _share(
        "RMS decay",
        "RMSProp's memory of how large gradients were: the share of it that is kept at each step. "
        f"Empty: {USUAL['rms_decay']:g}.",
    )
    weight_decay = NumberField(
        "Weight decay", low=0, high=1, optional=True,
        description="How strongly large weights are drawn towards zero, which keeps a network from "
        f"learning its pictures by heart. Empty: {USUAL['weight_decay']:g}. 0: not at all.",
    )  # fmt: skip

    clip_gradients = NumberField(
        "Gradient clipping", above=0, high=LARGEST_NORM, optional=True,
        description="The largest norm of all gradients together: beyond it, all are scaled down to "
        "it, so that one odd batch cannot throw the network off. Empty: they stay.",
    )  # fmt: skip

    USUAL = USUAL
    # What the page shows when it is asked for more.
    MORE: tuple[str, ...] = (
        *("solver_type", "batch_accumulation", "weight_decay", "clip_gradients"),
        *(name for names in SOLVER_FIELDS.values() for name in names),
    )

    def validate(self, extra_validators: Any = None) -> bool:
        """Check the fields that the solver reads."""
        for name in fields_of_others(SOLVER_FIELDS, self.solver_type.data):
            self[name].process_errors = []
            self[name].data = None
        return super().validate(extra_validators)
