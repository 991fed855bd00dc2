"""Record what OpenCV 4 makes of the archives in the tests; later versions read no Caffe networks.

    pip install --target FOLDER 'opencv-python-headless<5'
    python -m scripts.record_opencv FOLDER

Writes tests/model/download/data/opencv.json. Needs what `scripts/set-up --tests` installs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys


def main() -> int:
    parser = argparse.ArgumentParser(description="Record what OpenCV 4 makes of archives.")
    parser.add_argument("folder", help="where OpenCV 4 is installed")
    environment = {
        **os.environ,
        "PYTHONPATH": parser.parse_args().folder,
        "RECORD_OPENCV": "1",
    }
    tests = ["-n", "0", "-k", "opencv", "tests/model/download/test_portable.py"]
    return subprocess.run([sys.executable, "-m", "pytest", *tests], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
