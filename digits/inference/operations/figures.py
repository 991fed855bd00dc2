"""Draw figures for papers: the curves of a training, the confusion matrix of an evaluation.

A worker draws them, since what draws them is heavy.
"""

from __future__ import annotations

from dataclasses import dataclass

from digits.inference.errors import BadRequest
from digits.inference.operations.layers import Picture
from digits.inference.operations.request import Request

# A figure of more classes shows nothing.
MOST_CLASSES = 1500
FIGURE_TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}


@dataclass(frozen=True)
class Curve:
    """Points of a curve, None where there is no value; `percent` puts it on the right axis."""

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    percent: bool = False


@dataclass(frozen=True)
class DrawCurves(Request[Picture]):
    """Curves by epoch.  Raises BadRequest for a format that is none of FIGURE_TYPES."""

    title: str
    curves: tuple[Curve, ...]
    format: str

    def __post_init__(self) -> None:
        check_format(self.format)


@dataclass(frozen=True)
class DrawMatrix(Request[Picture]):
    """A confusion matrix; `counts[i][j]` pictures of class i were taken for j.

    Numbers stand in the cells where there is room for them.  Raises BadRequest as `DrawCurves`, and
    where the counts are no square with a row a label, or have more than MOST_CLASSES.
    """

    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    format: str

    def __post_init__(self) -> None:
        check_format(self.format)
        sides = {len(self.counts), *map(len, self.counts)}
        if not self.labels or sides != {len(self.labels)}:
            raise BadRequest("The matrix needs a row and a column for each label.")
        if len(self.labels) > MOST_CLASSES:
            raise BadRequest(
                f"A figure shows at most {MOST_CLASSES} categories, these are {len(self.labels)}. "
                "The evaluation's JSON has all numbers."
            )


def check_format(name: str) -> None:
    """BadRequest when there are no figures of this format."""
    if name not in FIGURE_TYPES:
        raise BadRequest(f"The format is one of {', '.join(FIGURE_TYPES)}. Received: {name!r}.")
