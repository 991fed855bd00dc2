"""Which program trains: our engine, or a real Caffe that the configuration names; its version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from digits.errors import TaskFailed

ON_PATH = "<PATHS>"
# Where a Caffe that was built, or installed, keeps its tool.
_PLACES = ("build/tools/caffe", "build/install/bin/caffe", "bin/caffe", "tools/caffe", "caffe")
# What `caffe --version` prints; other programs named caffe print something else.
_VERSION = re.compile(r"^caffe version (\S+)", re.MULTILINE)
_ANSWER_S = 60


def caffe_version(caffe_root: str) -> str:
    """The version that a configured Caffe says it has, such as "1.0.0".

    Raises TaskFailed when there is no such program, or what is there does not answer as Caffe does.
    """
    command = [*caffe_command(caffe_root), "--version"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_ANSWER_S
        )
    except subprocess.TimeoutExpired:
        raise TaskFailed(
            f"{' '.join(command)} did not answer within {_ANSWER_S} seconds. Correct CAFFE_ROOT, "
            "or unset it to train with DIGITS' own engine."
        ) from None
    except OSError as error:
        raise TaskFailed(
            f"{command[0]} cannot be run: {error.strerror}. Correct CAFFE_ROOT, or unset it to "
            "train with DIGITS' own engine."
        ) from error
    printed = answer.stdout + answer.stderr
    found = _VERSION.search(printed)
    if found is None:
        said = (printed.strip().splitlines() or ["nothing"])[-1][:200]
        raise TaskFailed(
            f"{' '.join(command)} does not answer with its version as Caffe does. It said: {said} "
            f"(exit status {answer.returncode}). Correct CAFFE_ROOT, or unset it to train with "
            "DIGITS' own engine."
        )
    return found[1]


def caffe_command(caffe_root: str) -> list[str]:
    """The command to put before `train`; `caffe_root` empty: our engine.

    Raises TaskFailed when the configured Caffe is not there.
    """
    if not caffe_root:
        return [sys.executable, "-m", "digits.caffe"]
    if caffe_root == ON_PATH:
        found = shutil.which("caffe")
        if found is None:
            raise TaskFailed(
                f"CAFFE_ROOT is {ON_PATH}, but there is no caffe on the PATH. Install one, or "
                "unset CAFFE_ROOT to train with DIGITS' own engine."
            )
        return [found]
    for place in _PLACES:
        path = Path(caffe_root).expanduser() / place
        if path.is_file() and os.access(path, os.X_OK):
            return [str(path)]
    raise TaskFailed(
        f"CAFFE_ROOT is {caffe_root}, but there is no program {_PLACES[0]} or bin/caffe in it. "
        "Correct it, or unset it to train with DIGITS' own engine."
    )
