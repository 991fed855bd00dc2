"""Learn the straight line that points lie near to, by gradient descent on the squared error.

python -m digits_lines.line.program points.csv line.json --epochs=50
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from digits.base.atomic import write_text
from digits.base.program import run_program
from digits.base.progress import ProgressMeter
from digits.errors import ToolError

LEARNING_RATE = 0.5


def main() -> str:
    """Write `slope` and `intercept` as JSON; answers what the log shall say."""
    options = parser().parse_args()
    points = read_points(options.points)
    slope = intercept = 0.0
    meter = ProgressMeter("epochs", options.epochs)
    for _ in range(options.epochs):
        errors = [(x, slope * x + intercept - y) for x, y in points]
        slope -= LEARNING_RATE * 2 * sum(x * error for x, error in errors) / len(points)
        intercept -= LEARNING_RATE * 2 * sum(error for _, error in errors) / len(points)
        meter.add()
    meter.finish()
    write_text(options.line, json.dumps({"slope": slope, "intercept": intercept}))
    return f"y = {slope:.3f} x + {intercept:.3f}"


def read_points(path: Path) -> list[tuple[float, float]]:
    """The points of a file; ToolError when it holds anything else."""
    points = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            x, y = (float(word) for word in line.split(","))
        except ValueError:
            raise ToolError(f"{path}:{number}: {line[:40]!r} is no point x,y.") from None
        points.append((x, y))
    return points


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(description=__doc__)
    result.add_argument("points", type=Path)
    result.add_argument("line", type=Path)
    result.add_argument("--epochs", type=int, required=True)
    return result


if __name__ == "__main__":
    run_program(main)
