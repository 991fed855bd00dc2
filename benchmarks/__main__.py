"""Run all benchmarks one after the other, each in a process of its own, with modest sizes.

    python -m benchmarks [--real-caffe SCRIPT] [--only forward train]

SCRIPT prints the folder of a chroot in which real Caffe's programs run; without it real Caffe is
left out.  Each benchmark has more options: `python -m benchmarks.NAME --help`.  The exit status is
0 if all of them ran.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What is run of each, so that all of them take some minutes.
OPTIONS: dict[str, list[str]] = {
    "forward": ["--seconds", "3"],
    "train": ["--rounds", "2"],
    "create_db": ["--pictures", "1000"],
    "starts": ["--rounds", "3"],
    "inference": ["--pictures", "100", "--repeats", "30"],
    "many_jobs": ["--jobs", "1000"],
    "pages": ["--repeats", "3"],
    "long_logs": ["--megabytes", "100"],
    "drawing": ["--repeats", "2"],
    "transfer": ["--splits", "2", "--amounts", "10", "30"],
    "augmentation": ["--rounds", "2", "--seeds", "1"],
    "first_prediction": [],
    "explore": ["--pictures", "200000"],
    "kills": ["--databases", "20", "--trainings", "10"],
    "gpu": ["--seconds", "2"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real-caffe", metavar="SCRIPT", help="prints the chroot's folder")
    parser.add_argument("--only", nargs="+", default=list(OPTIONS), choices=list(OPTIONS))
    given = parser.parse_args()
    environment = dict(os.environ)
    if given.real_caffe:
        folder = subprocess.check_output(["bash", given.real_caffe], text=True).strip()
        environment["CAFFE_CHROOT"] = folder
    failed = []
    for name in given.only:
        options = list(OPTIONS[name])
        if name == "train" and given.real_caffe:
            options += ["--real-caffe", given.real_caffe]
        print(f"== {name} {' '.join(options)}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
            failed.append(name)
    if failed:
        print(f"These did not run to their end: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
