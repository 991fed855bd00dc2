"""What a training has come to, as lists show it: its best measures and a small curve.

In: the history of a training.  Out: `ModelResults`.  Elsewhere: the outcome that the model's page
tells (`training/outcome.py`), curves to be looked at closely (`training/charts.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from digits.jobs.record import Minimum
from digits.jobs.results import Results
from digits.model.training.history import History
from digits.model.training.outcome import outcome_of
from digits.model.training.plan import TrainingPlan

CURVE_POINTS = 24
CURVE_HEIGHT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResults(Results):
    """The best values of a training, and how far it came; what is not known is None.

    `accuracy` is from 0 to 1, `loss` that of validation.  `curve` are whole numbers from 0 to
    CURVE_HEIGHT at equal distances, which stands for 100 % of an accuracy and for the highest value
    of a loss; `curve_of` says whose it is: `accuracy (val)`, `loss (val)` or `loss (train)`.
    """

    network: str = ""  # what its prototxt calls itself
    accuracy: float | None = None
    loss: float | None = None
    epochs: float | None = None
    curve_of: str = ""
    curve: Sequence[Annotated[int, Minimum(0)]] = ()

    @property
    def curve_points(self) -> str:
        """The curve as the points of an SVG of 100 x 100, whose y grows downward."""
        heights = [min(CURVE_HEIGHT, height) for height in self.curve[:CURVE_POINTS]]
        step = 100 / max(1, len(heights) - 1)
        return " ".join(f"{n * step:.4g},{CURVE_HEIGHT - y}" for n, y in enumerate(heights))


def results_of(history: History, plan: TrainingPlan) -> ModelResults:
    """What a history tells; neither size nor network, which stand elsewhere."""
    outcome = outcome_of(history, plan)
    curve_of, curve = _curve(history, plan)
    return ModelResults(
        accuracy=outcome.accuracy.value if outcome.accuracy else None,
        loss=outcome.loss.value if outcome.loss else None,
        epochs=outcome.epochs,
        curve_of=curve_of,
        curve=curve,
    )


def _curve(history: History, plan: TrainingPlan) -> tuple[str, tuple[int, ...]]:
    """The curve that says most of a training, and whose it is; empty when there is none."""
    for name, values, is_accuracy in _curves(history, plan):
        known = [value for value in values if value is not None and math.isfinite(value)]
        if len(known) > 1:
            highest = 1.0 if is_accuracy else max(known)
            return name, tuple(_height(value, highest) for value in _thinned(known))
    return "", ()


def _curves(
    history: History, plan: TrainingPlan
) -> Iterator[tuple[str, Sequence[float | None], bool]]:
    """Name, values, and whether they are a share; the most telling first."""
    val, train = history.val.columns, history.train.columns
    accuracy, loss = plan.accuracy_name(val), plan.loss_name(val)
    if accuracy is not None:
        yield "accuracy (val)", val[accuracy], True
    if loss is not None:
        yield "loss (val)", val[loss], False
    if (loss := plan.loss_name(train)) is not None:
        yield "loss (train)", train[loss], False


def _thinned(values: Sequence[float]) -> list[float]:
    """At most CURVE_POINTS of the values, the first and the last among them."""
    if len(values) <= CURVE_POINTS:
        return list(values)
    last = len(values) - 1
    return [values[round(n * last / (CURVE_POINTS - 1))] for n in range(CURVE_POINTS)]


def _height(value: float, highest: float) -> int:
    share = value / highest if highest > 0 else 0.0
    return round(CURVE_HEIGHT * min(1.0, max(0.0, share)))
