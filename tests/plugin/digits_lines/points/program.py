"""Write points near a straight line, `x,y` a line, to a file.

python -m digits_lines.points.program points.csv --count=100 --slope=2 --intercept=1 --noise=0
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from digits.base.atomic import write_text
from digits.base.program import run_program
from digits.base.progress import ProgressMeter


def main() -> str:
    """Write the file; answers what the log shall say."""
    options = parser().parse_args()
    draw = random.Random(1)
    meter = ProgressMeter("points", options.count)
    lines = []
    for _ in range(options.count):
        x = draw.uniform(-1, 1)
        y = options.slope * x + options.intercept + draw.gauss(0, options.noise)
        lines.append(f"{x!r},{y!r}\n")
        meter.add()
    meter.finish()
    write_text(options.file, "".join(lines))
    return f"{options.count} points in {options.file}"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(description=__doc__)
    result.add_argument("file", type=Path)
    result.add_argument("--count", type=int, required=True)
    for name in ("slope", "intercept", "noise"):
        result.add_argument(f"--{name}", type=float, required=True)
    return result


if __name__ == "__main__":
    run_program(main)
