"""What the program that exports a network is asked, as JSON in the export's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from digits.inference.operations import Database, Network
from digits.inference.operations.exports import INT8, PAGE

REQUEST_FILE = "request.json"
# What the program writes, by format; and what it has found out of it.
MODEL_FILE, PAGE_FILE, FIGURES_FILE = "model.onnx", "classify.html", "figures.json"


@dataclass(frozen=True)
class Pictures:
    """The pictures of a set that accuracy is measured with; `split` is train, val or test."""

    split: str
    database: Database
    count: int


@dataclass(frozen=True)
class ExportRequest:
    """A network, and what it is to become.

    `pictures` is None where no dataset is there: then nothing but the time is measured, and whole
    numbers of 8 bits cannot be had.  `runtime` is the folder of what runs ONNX in a browser.
    """

    network: Network
    format: str
    takes_pictures: bool
    quantize: str
    name: str  # what people call the model
    metadata: Mapping[str, str]
    pictures: Pictures | None = None
    runtime: Path | None = None

    @property
    def is_page(self) -> bool:
        """Whether it becomes a page."""
        return self.format == PAGE

    @property
    def is_int8(self) -> bool:
        """Whether its numbers become whole ones."""
        return self.quantize == INT8
