"""The operations `DrawCurves` and `DrawMatrix`: figures by Matplotlib, for papers."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from digits.caffe.machine.figure_texts import drawable, plain_text
from digits.inference.operations.figures import Curve, DrawCurves, DrawMatrix
from digits.inference.operations.layers import Picture
from digits.inference.work.state import State

DOTS_PER_INCH = 200
# More cells than this have no room for their numbers, more classes none for their names.
MOST_NUMBERS = 30
MOST_NAMES = 60
LONGEST_NAME = 30


@plain_text()
def draw_curves(state: State, request: DrawCurves) -> Picture:
    """Losses on the left axis, what is in percent on the right one."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    left = figure.add_subplot(xlabel="Epoch")
    left.set_title(_short(request.title))
    right = left.twinx() if any(curve.percent for curve in request.curves) else None
    lines: list[Artist] = []
    for number, curve in enumerate(request.curves):
        axes = right if right is not None and curve.percent else left
        lines += _draw_curve(axes, curve, f"C{number}")
    if right is not None:
        left.set_ylabel("Loss")
        right.set_ylabel("Accuracy (%)")
    left.grid(alpha=0.3)
    if lines:
        names = [_short(curve.name) for curve in request.curves]
        figure.legend(lines, names, loc="outside lower center", ncols=min(3, len(names)))
    return _saved(figure, request.format)


def _draw_curve(axes: Axes, curve: Curve, colour: str) -> list[Artist]:
    values = [drawable(value) for value in curve.y]
    mark = "o" if len(values) < 2 else ""
    style = "--" if curve.percent else "-"
    return [*axes.plot(curve.x, values, style, color=colour, marker=mark, linewidth=1.2)]


@plain_text()
def draw_matrix(state: State, request: DrawMatrix) -> Picture:
    """Rows are the true classes; a cell is as dark as its share of the row."""
    counts = np.array(request.counts, dtype=np.int64).reshape(len(request.labels), -1)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = min(16.0, max(4.0, 1.5 + 0.42 * min(len(counts), MOST_NAMES)))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot(xlabel="Predicted", ylabel="True")
    axes.set_title(_short(request.title))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(counts) <= MOST_NAMES:
        names = [_short(name) for name in request.labels]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    if len(counts) <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    return _saved(figure, request.format)


def _short(text: str) -> str:
    """A text without letters that cannot be printed; a long one is cut."""
    short = text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
    return "".join(letter for letter in short if letter.isprintable())


def _saved(figure: Figure, kind: str) -> Picture:
    file = io.BytesIO()
    # Without a date, and with names that do not change, the same figure is the same file.
    date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    figure.savefig(file, format=kind, dpi=DOTS_PER_INCH, metadata=date)
    return Picture(file.getvalue())
