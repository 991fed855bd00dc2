"""Leads `gunicorn --config gunicorn_config.py` to `python -P -m digits.production`.

DIGITS used to be started like that: installed units of systemd, and scripts, name this file.  Why
it is a program of its own now: docs/decisions/0011-the-server-holds-its-settings.md.
"""

import os
import sys
from pathlib import Path

here = str(Path(__file__).resolve().parent)
paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
os.execve(  # noqa: S606 - nothing in it is for a shell
    sys.executable,
    [sys.executable, "-P", "-m", "digits.production", *sys.argv[1:]],
    {**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
)
