"""From a training's history to the data of a chart, in the form of C3.

    {"columns": [[id, value, ...], ...], "xs": {id: x id}, "names": {id: text}, "axes": {id: "y2"},
     "times": {x id: [seconds, ...]}, "epoch_iterations": iterations in an epoch}

Losses stand on the left axis, accuracies in percent on the right one (`y2`); outputs of training
run against `train_epochs`, those of validation against `val_epochs`.  Long curves are thinned to a
few hundred points so that every peak, every dip and the last point stay.  An output of several
values has a curve each, unless there are too many to tell apart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from digits.model.training.history import History, Table, column_name, finite
from digits.model.training.plan import is_among
from digits.model.training.thinning import extremes

MAX_POINTS = 400
# Of one output: more colours nobody tells apart.
MOST_CURVES = 100
Chart = dict[str, Any]


def combined_chart(
    history: History, iterations_per_epoch: int, accuracies: Collection[str]
) -> Chart:
    """Losses and accuracies by epoch; `accuracies` names the outputs that are shown in percent."""
    chart: Chart = {
        "columns": [],
        "xs": {},
        "names": {},
        "axes": {},
        "times": {},
        "epoch_iterations": iterations_per_epoch,
    }
    for phase, table in (("train", history.train), ("val", history.val)):
        _add_table(chart, table, phase, iterations_per_epoch, accuracies)
    return chart


def rate_chart(history: History, iterations_per_epoch: int) -> Chart:
    """The learning rate."""
    table = history.rate
    rows = thinned_rows(table)
    epochs = _epochs(table, rows, iterations_per_epoch)
    rates = finite([column[row] for column in table.columns.values() for row in rows])
    return {
        "columns": [["train_epochs", *epochs], ["lr", *rates]] if rows else [],
        "xs": {"lr": "train_epochs"},
        "names": {"lr": "Learning Rate"},
        "axes": {},
        "times": {"train_epochs": _times(table, rows)} if rows else {},
    }


def preview_chart(rates: Sequence[float]) -> Chart:
    """A learning rate over 0 to 100 percent of a training."""
    return {"columns": [["Learning Rate", *rates]]}


def thinned_rows(table: Table, limit: int = MAX_POINTS) -> list[int]:
    """Numbers of the rows to draw, at most `limit`: first, last, and each stretch's extremes."""
    count = len(table.iterations)
    if count <= limit:
        return list(range(count))
    columns = list(drawn_columns(table).values())
    # Of each stretch a row for the smallest and one for the largest value of each column.
    stretches = max(1, (limit - 2) // (2 * max(1, len(columns))))
    kept = {0, count - 1}
    for number in range(stretches):
        rows = range(number * count // stretches, (number + 1) * count // stretches)
        for column in columns:
            kept.update(extremes(column, rows))
    return sorted(kept)


def drawn_columns(table: Table) -> dict[str, list[float | None]]:
    """The columns, without those of outputs that have too many values to be drawn."""
    left_out = {
        column_name(output, place)
        for output, count in table.vectors.items()
        if count > MOST_CURVES
        for place in range(count)
    }
    return {name: column for name, column in table.columns.items() if name not in left_out}


def _add_table(
    chart: Chart,
    table: Table,
    phase: str,
    iterations_per_epoch: int,
    accuracies: Collection[str],
) -> None:
    rows = thinned_rows(table)
    if not rows:
        return
    x_name = f"{phase}_epochs"
    chart["columns"].append([x_name, *_epochs(table, rows, iterations_per_epoch)])
    chart["times"][x_name] = _times(table, rows)
    for name, column in drawn_columns(table).items():
        series = f"{name}-{phase}"
        values = finite([column[row] for row in rows])
        if is_among(name, accuracies):
            values = [None if value is None else 100 * value for value in values]
            chart["axes"][series] = "y2"
        chart["columns"].append([series, *values])
        chart["xs"][series] = x_name
        chart["names"][series] = f"{name} ({phase})"


def _times(table: Table, rows: Sequence[int]) -> list[float]:
    return [round(table.times_s[row], 3) for row in rows]


def _epochs(table: Table, rows: Sequence[int], iterations_per_epoch: int) -> list[float]:
    return [round(table.iterations[row] / iterations_per_epoch, 6) for row in rows]
