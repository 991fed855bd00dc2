"""About how long an iteration takes here: a program runs a few, and the answer is kept.

In: the files of a training.  Out: seconds on this machine as it is now; None where that fails.
One training is timed at a time, so that none slows another down.
Elsewhere: the program (`digits/tools/time_training.py`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

MODEL_FILE = "train_val.prototxt"
# Somebody waits at a form, though it can be sent without the answer.
LIMIT_S = 40.0
MOST_KEPT = 256
LOG_TAIL = 500  # characters


@dataclass(frozen=True)
class Training:
    """What decides how long an iteration takes: all of it is the key of what is kept.

    `files` are texts by name, train_val.prototxt among them, with absolute paths.  `solver_type` is
    Caffe's name; `gpu` is empty for the CPU.
    """

    files: tuple[tuple[str, str], ...]
    solver_type: str
    gpu: str = ""
    python_layers: bool = False


@dataclass(frozen=True)
class Times:
    """Seconds of a training iteration, and of a batch of validation (None without one)."""

    iteration_s: float
    val_batch_s: float | None


class Timings:
    """Times of trainings, each measured once."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._measuring = threading.Lock()
        # Guards what is kept, the last used at the end; None: it could not be timed.
        self._lock = threading.Lock()
        self._kept: OrderedDict[Training, Times | None] = OrderedDict()

    def kept(self, training: Training) -> Times | None:
        """What was measured before."""
        with self._lock:
            if training in self._kept:
                self._kept.move_to_end(training)
            return self._kept.get(training)

    def times(self, training: Training, environment: Mapping[str, str]) -> Times | None:
        """Measured now, if it was not before; None when that fails, or others keep us waiting."""
        if not self._measuring.acquire(timeout=self._limit_s):
            return None
        try:
            with self._lock:
                if training in self._kept:
                    return self._kept[training]
            found = measured(training, environment, self._limit_s)
            with self._lock:
                self._kept[training] = found
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return found
        finally:
            self._measuring.release()


def measured(
    training: Training, environment: Mapping[str, str], limit_s: float = LIMIT_S
) -> Times | None:
    """What the program answers; None when it fails or takes too long."""
    with tempfile.TemporaryDirectory(prefix="digits-timing-") as folder:
        for name, text in training.files:
            (Path(folder) / name).write_text(text, "utf-8")
        return _answer(_command(training), folder, environment, limit_s)


def _command(training: Training) -> list[str]:
    return [
        *(sys.executable, "-m", "digits.tools.time_training", MODEL_FILE),
        *("--solver-type", training.solver_type),
        *(["--gpu", training.gpu] if training.gpu else []),
        *(["--python-layers"] if training.python_layers else []),
    ]


def _answer(
    command: list[str], folder: str, environment: Mapping[str, str], limit_s: float
) -> Times | None:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        printed, logged = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        log.warning("a training could not be timed within %g s", limit_s)
        return None
    finally:
        _end(process)
    if process.returncode:
        log.warning("a training could not be timed: %s", logged.strip()[-LOG_TAIL:])
        return None
    try:
        said = json.loads(printed.splitlines()[-1])
        return Times(float(said["train_s"]), said["val_s"])
    except (ValueError, LookupError, TypeError):
        log.warning("the timing of a training said what is no answer: %s", printed[-LOG_TAIL:])
        return None


def _end(process: subprocess.Popen[str]) -> None:
    """End the program and what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
