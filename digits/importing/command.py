"""Import jobs of the original DIGITS into a jobs directory of this one.

DIR is a job's folder, a whole jobs directory, or an unpacked archive of a model.  Labels, mean,
databases, prototxt files, snapshots and logs become jobs that can classify and be trained further;
large files get a second name instead of a copy where the disk allows it, and DIR stays as it is.
`status.pickle` is never read, so names are lost; rename the jobs on their pages.

A server that runs shows the jobs after a restart or `POST /jobs/rescan`.

  python -m digits.tools.import_job /old/digits/jobs/20150421-140640-d697 --jobs-dir jobs
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.base import devices
from digits.config import CONFIG_FILE, load_config
from digits.errors import DigitsError
from digits.images import ResizeMode
from digits.importing.jobs import JOB_TYPES, Importer, describe_problem
from digits.jobs.store import JobStore


def main(arguments: Sequence[str] | None = None) -> int:
    """Import what is asked for and print the jobs; the exit status is 1 when that fails."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    config_path = Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None
    try:
        config = load_config(config_path, os.environ, {"jobs_dir": options.jobs_dir})
        config.jobs_dir.mkdir(parents=True, exist_ok=True)
        importer = Importer(
            JobStore(config.jobs_dir, JOB_TYPES),
            use_gpu=bool(config.gpu_list or devices.gpu_indices()),
            resize_mode=options.resize_mode,
        )
        for job in importer.run(options.folder, options.name, options.dataset):
            print(f"{job.title} {job.name!r} is {job.id}, {job.status}")  # noqa: T201
    except (DigitsError, OSError) as error:
        print(f"Error: {describe_problem(error)}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m digits.tools.import_job",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("folder", metavar="DIR", type=lambda text: Path(text).resolve())
    result.add_argument("--jobs-dir", help="where the jobs are made [as configured, else jobs]")
    result.add_argument("--name", default="", help="the job's name [Imported and the folder's]")
    result.add_argument(
        "--dataset",
        type=lambda text: Path(text).resolve(),
        help="the folder of a model's dataset, where it is not found by itself",
    )
    result.add_argument(
        "--resize-mode",
        choices=[mode.value for mode in ResizeMode],
        help="how the dataset's pictures were resized, which no file tells [squash]",
    )
    return result
