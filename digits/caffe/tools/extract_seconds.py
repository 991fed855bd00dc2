"""Write when each iteration of a log was: `digits-caffe extract_seconds LOG FILE`.

Out: for each line that names an iteration, the seconds since the training began, a line each.
Source: tools/extra/extract_seconds.py.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from digits.caffe.tools import python_program
from digits.caffe.tools.training_log import timed_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    parser = ArgumentParser("extract_seconds.py", description="Extract the time of iterations")
    parser.add_argument("input_file", help="the log of a training")
    parser.add_argument("output_file", help="the file to write")
    return python_program.run(parser, arguments, _extract)


def _extract(given: Namespace) -> None:
    lines = timed_lines(Path(given.input_file))
    seconds = [time for time, line in lines if b"Iteration" in line.message]
    Path(given.output_file).write_text("".join(f"{time:f}\n" for time in seconds))


if __name__ == "__main__":
    sys.exit(main())
