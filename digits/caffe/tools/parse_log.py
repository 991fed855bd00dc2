"""Write the tables of a training's log as CSV: `digits-caffe parse_log LOG FOLDER`.

Out: FOLDER/LOG.train and FOLDER/LOG.test, with the columns NumIters, Seconds, LearningRate and one
for each output of the net.
Source: the arguments and files of tools/extra/parse_log.py.
"""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from digits.caffe.tools import python_program
from digits.caffe.tools.training_log import Row, read_tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    parser = ArgumentParser(
        "parse_log.py", description="Parse a training log into two CSV files with training and "
        "testing information",
    )  # fmt: skip
    parser.add_argument("logfile_path", help="Path to log file")
    parser.add_argument("output_dir", help="Directory in which to place output CSV files")
    parser.add_argument("--verbose", action="store_true", help="Print some extra info")
    parser.add_argument(
        "--delimiter", default=",", help="Column delimiter in output files (default: ',')"
    )
    return python_program.run(parser, arguments, _parse)


def _parse(given: Namespace) -> None:
    log = Path(given.logfile_path)
    if len(given.delimiter) != 1:
        raise ValueError(f"--delimiter takes one character, received {given.delimiter!r}")
    tables = read_tables(log)
    for name, rows in (("train", tables.train), ("test", tables.test)):
        path = Path(given.output_dir) / f"{log.name}.{name}"
        if not rows:
            print(f"Not writing {path}; no lines to write")
            continue
        _write(path, rows, given.delimiter)
        if given.verbose:
            print(f"Wrote {path}")


def _write(path: Path, rows: Sequence[Row], delimiter: str) -> None:
    outputs = list(dict.fromkeys(name for row in rows for name in row.outputs))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["NumIters", "Seconds", "LearningRate", *outputs])
        for row in rows:
            values = [row.outputs.get(name, "") for name in outputs]
            writer.writerow([float(row.iteration), row.seconds, row.rate, *values])


if __name__ == "__main__":
    sys.exit(main())
