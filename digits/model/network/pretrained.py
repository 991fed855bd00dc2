"""The weights that a standard network begins with: made once, and kept beside the jobs.

In: the network's name, and the jobs directory.  Out: a .caffemodel there, whole or absent, which
models take into their own folders by a second name.  A program makes it, since reading PyTorch's
file takes PyTorch.  Two who ask at the same time wait for one program; of several servers each
writes the same, and the last one stays.
Elsewhere: that program (`digits/tools/pretrained_weights.py`).
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

from digits.errors import FormError
from digits.model.network.text import STANDARD_NETWORKS

# Hidden, so that it is not taken for a job.
FOLDER = ".pretrained"
# With PyTorch from a slow disk; it takes seconds.
MAKING_S = 300.0
FIELD = "standard_networks"
_ERROR = re.compile(r"\[ERROR\] Error: (.*)")
# Held while weights are made.
_making = threading.Lock()


def pretrained_weights(name: str, jobs_dir: Path) -> Path | None:
    """The weights of a standard network; None for one that begins with random ones.

    Made now where they are not there yet.  Raises FormError when they cannot be made.
    """
    network = STANDARD_NETWORKS.get(name)
    if network is None or not network.is_pretrained:
        return None
    path = jobs_dir / FOLDER / f"{name}.caffemodel"
    with _making:
        if not path.is_file():
            _make(path, network.title)
    return path


def _make(path: Path, title: str) -> None:
    command = [sys.executable, "-m", "digits.tools.pretrained_weights", str(path)]
    try:
        finished = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=MAKING_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _refused(title, f"it takes longer than {MAKING_S:g} s") from None
    if finished.returncode:
        told = _ERROR.findall(finished.stderr.decode("utf-8", "replace"))
        raise _refused(title, told[-1] if told else "the program that does it was ended; try again")


def _refused(title: str, reason: str) -> FormError:
    return FormError({FIELD: [f"The weights of {title} could not be made: {reason}"]})
