"""Plot trainings by their logs: `digits-caffe plot_training_log TYPE PICTURE LOG...`.

Out: a picture in the format that its ending names (.png, .svg, .pdf), a curve for each log.  There
are the eight types of chart of tools/extra/plot_training_log.py, by the same numbers.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from digits.caffe.errors import DataError
from digits.caffe.tools import python_program
from digits.caffe.tools.training_log import Row, read_tables

_VALUES = ("Test accuracy", "Test loss", "Train learning rate", "Train loss")
CHARTS = [(value, axis) for value in _VALUES for axis in ("Iters", "Seconds")]
FORMATS = (".png", ".svg", ".pdf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    types = "".join(f"\n    {n}: {value} vs. {axis}" for n, (value, axis) in enumerate(CHARTS))
    parser = ArgumentParser(
        "plot_training_log.py",
        description="Plot what the logs of trainings say.",
        epilog=f"Supported chart types:{types}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("chart_type", type=int, choices=range(len(CHARTS)), help="see below")
    parser.add_argument("path_to_picture", help="the picture to write: .png, .svg or .pdf")
    parser.add_argument("path_to_log", nargs="+", help="the log of a training")
    return python_program.run(parser, arguments, _plot)


def _plot(given: Namespace) -> None:
    if not given.path_to_picture.lower().endswith(FORMATS):
        raise ValueError(
            f"the picture's name must end in {', '.join(FORMATS)}; received {given.path_to_picture}"
        )
    value, axis = CHARTS[given.chart_type]
    curves = {path: _curve(Path(path), value, axis) for path in given.path_to_log}

    # Half a second, for this alone.
    from matplotlib.figure import Figure  # noqa: PLC0415

    from digits.caffe.machine.figure_texts import drawable, plain_text  # noqa: PLC0415

    with plain_text():
        figure = Figure(layout="constrained")
        axes = figure.add_subplot(title=f"{value} vs. {axis}", xlabel=axis, ylabel=value)
        lines = []
        for points in curves.values():
            mark = "o" if len(points) < 50 else ""
            x, y = zip(*((x, drawable(y)) for x, y in points), strict=True)
            lines += axes.plot(x, y, linewidth=1, marker=mark)
        axes.grid(alpha=0.3)
        # With its lines: a legend passes over labels of lines that begin with an underscore.
        axes.legend(
            lines,
            [_label(path) for path in curves],
            loc="lower right" if "accuracy" in value else "upper right",
        )
        figure.savefig(given.path_to_picture)


def _label(path: str) -> str:
    return "".join(letter for letter in Path(path).stem if letter.isprintable())


def _curve(log: Path, value: str, axis: str) -> list[tuple[float, float]]:
    """The points of a log, NaN among them; DataError when it says nothing of the value."""
    tables = read_tables(log)
    net, _, what = value.partition(" ")
    rows = tables.train if net == "Train" else tables.test
    points = [
        (row.iteration if axis == "Iters" else row.seconds, number)
        for row in rows
        if (number := _number(row, net, what)) is not None
    ]
    if not points:
        names = ", ".join(dict.fromkeys(name for row in rows for name in row.outputs)) or "none"
        raise DataError(f"{log} has no {value.lower()}; outputs of its {net.lower()} net: {names}")
    return points


def _number(row: Row, net: str, what: str) -> float | None:
    """The value of a row; None where the log does not say it."""
    if what == "learning rate":
        return None if math.isnan(row.rate) else row.rate
    if net == "Train":
        return row.loss
    if what in row.outputs:
        return row.outputs[what]
    return next((number for name, number in row.outputs.items() if what in name.lower()), None)


if __name__ == "__main__":
    sys.exit(main())
