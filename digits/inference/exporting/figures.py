"""What is known of an export: sizes, accuracy, time.  Written by the program, read by pages.

No library is needed to read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digits.base.job_files import read_text
from digits.inference.exporting.request import FIGURES_FILE
from digits.inference.operations.messages import from_json, to_json
from digits.inference.protocol import ProtocolError


@dataclass(frozen=True)
class ModelFigures:
    """A model on this machine: bytes of its ONNX file, milliseconds that a picture takes (the
    median), and the share of pictures that it names right (None: there was none to ask)."""

    size_bytes: int
    ms_a_picture: float
    accuracy: float | None = None


@dataclass(frozen=True)
class ExportFigures:
    """What came of an export.

    `file_bytes` are those of the file to download, `memory_bytes` what making it took.  Of int8,
    `before` is the model as it was learned, and `largest_difference` is how far a probability of
    the `pictures` of the set `split` came to lie from what it was.
    """

    file_bytes: int
    opset: int
    memory_bytes: int
    model: ModelFigures
    before: ModelFigures | None = None
    largest_difference: float | None = None
    pictures: int = 0
    split: str = ""
    calibration_pictures: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)  # name: type and shape, in words
    outputs: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        values: dict[str, Any] = to_json(self)
        return values


def read_figures(folder: Path) -> ExportFigures | None:
    """What the program wrote into a folder; None where it has not, or where it is damaged."""
    try:
        return from_json(ExportFigures, json.loads(read_text(folder / FIGURES_FILE)))
    except (OSError, ValueError, RecursionError, ProtocolError):
        return None
