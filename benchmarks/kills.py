"""How many kills at random moments databases and snapshots live through: all of them.

    python -m benchmarks.kills [--databases 40] [--trainings 15]

Minutes.  The tests do the same at fewer moments (`tests/test_whole_or_absent.py`); it ends with an
AssertionError at the first file that is half there, or training that goes on from elsewhere.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.test_whole_or_absent import kill_databases, kill_trainings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--databases", type=int, default=40, help="kills while one is made")
    parser.add_argument("--trainings", type=int, default=15, help="kills of a training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kill_databases(Path(folder), options.databases)
    print(f"{options.databases} kills while a database was made: whole or absent each time")
    with tempfile.TemporaryDirectory() as folder:
        kill_trainings(Path(folder), options.trainings)
    print(f"{options.trainings} kills of a training: it went on from its newest state each time")


if __name__ == "__main__":
    main()
