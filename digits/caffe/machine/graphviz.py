"""Runs Graphviz: a graph's text in the DOT language becomes a picture.

The system's `dot` is taken where it is installed, else `graphviz-pure`, which pip installs with the
project's requirements.  Free of torch.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from digits.caffe.errors import CaffeError

# In this order; both take dot's options.
_PROGRAMS = ("dot", "graphviz-pure")


class DrawError(CaffeError):
    """A net cannot be drawn: no Graphviz, or one that fails or takes too long."""


def render(
    dot_text: str, ext: str, timeout_s: float | None = None, program: str | None = None
) -> bytes:
    """The picture of a graph in format `ext`: png, svg, or what the Graphviz at hand knows.

    `program` is the one to run; None: the one that `find_graphviz` finds.

    Raises DrawError: Graphviz is missing (the message says what to install), refuses the graph or
    the format, or needs more than `timeout_s` seconds.
    """
    command = [program or find_graphviz(), f"-T{ext}"]
    try:
        done = subprocess.run(
            command, input=dot_text.encode(), capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise DrawError("the net is too large for Graphviz to draw in time") from None
    except OSError as err:
        raise DrawError(f"{command[0]} cannot be started: {err}") from err
    if done.returncode != 0 or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip()[-500:] or "it wrote nothing"
        raise DrawError(f"{command[0]} {command[1]} failed: {reason}")
    return done.stdout


def find_graphviz(search_path: str | None = None) -> str:
    """The program that draws, DrawError when there is none; `search_path` stands for PATH."""
    # A virtual environment's programs lie beside its Python, whether or not it is on the PATH.
    beside_python = str(Path(sys.executable).parent) if search_path is None else search_path
    for name in _PROGRAMS:
        found = shutil.which(name, path=search_path) or shutil.which(name, path=beside_python)
        if found:
            return found
    raise DrawError(
        "Graphviz is missing, so nets cannot be drawn. Install it with `apt install graphviz` "
        "(or your system's package manager), or with `pip install graphviz-pure`."
    )
