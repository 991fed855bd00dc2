"""Make an ONNX model of a trained network.

Elsewhere: the program for what takes long (`digits/inference/export.py`), the making itself
(`digits/inference/exporting/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from digits.inference.operations.messages import IN_A_PART
from digits.inference.operations.networks import Network
from digits.inference.operations.request import Request

# What a network becomes: a file for other programs, or a page that classifies by itself.
Format = Literal["onnx", "page"]
ONNX: Format = "onnx"
PAGE: Format = "page"
FORMATS: tuple[Format, ...] = (ONNX, PAGE)
# Its numbers: as they were learned, or as whole numbers of 8 bits.
Numbers = Literal["none", "int8"]
AS_LEARNED: Numbers = "none"
INT8: Numbers = "int8"
QUANTIZED: tuple[Numbers, ...] = (AS_LEARNED, INT8)


@dataclass(frozen=True)
class Exported:
    """The content of an ONNX file."""

    content: bytes


@dataclass(frozen=True)
class ExportNetwork(Request[Exported]):
    """A network as ONNX; it `takes_pictures` of any size, or the blobs of the net.

    `metadata` stand in the file.  Raises BadNetwork for what ONNX cannot express.
    """

    network: Network
    takes_pictures: bool
    metadata: Annotated[Mapping[str, str], IN_A_PART]
