"""A model with whole numbers of 8 bits, by onnxruntime's own tools.

What each layer's values come to is seen on calibration pictures (quantize_static, QDQ, a range of
weights a channel).  The preparation of pictures, LRN, Softmax and all else that is not listed here
stays as it is: it costs little time and would cost accuracy.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from digits.base.formatting import file_size
from digits.errors import ToolError
from digits.inference.exporting.pictures import Feeds

CALIBRATION_PICTURES = 128
# Whose inputs and weights become whole numbers, and what hands these on.
_LAYERS = ["Conv", "Gemm", "MatMul"]
_BETWEEN = ["Relu", "MaxPool", "Add", "Concat"]
# Nodes that prepare the picture, and that sum up the scores.
_KEPT = ("prepare/", "scores/")
# Room for their copies of the model: that with outputs to look at, and what is made of it.
_COPIES = 2


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Gives the calibration pictures, one after another."""

    def __init__(self, feeds: Iterator[Feeds]) -> None:
        self._feeds = feeds

    def get_next(self) -> Feeds | None:
        return next(self._feeds, None)


def quantize(model: Path, target: Path, feeds: Iterator[Feeds]) -> None:
    """Write the file `target`.

    Raises ToolError where the network has nothing to make smaller, or the disk no room.
    """
    _require_room(model)
    nodes = onnx.load(str(model), load_external_data=False).graph.node
    if not any(node.op_type in _LAYERS and not _is_kept(node.name) for node in nodes):
        raise ToolError(
            "int8 makes Convolution and InnerProduct layers smaller, and this network has none. "
            "Export it without int8."
        )
    # It says at each run that a model can be prepared in another program first.
    logging.getLogger().setLevel(logging.ERROR)
    try:
        with _temporary_files_in(model.parent):
            quantize_static(
                str(model),
                str(target),
                _Reader(feeds),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[*_LAYERS, *_BETWEEN],
                nodes_to_exclude=[node.name for node in nodes if _is_kept(node.name)],
                per_channel=True,
                # Weights of 7 bits: processors without VNNI add products up in pairs of 16 bits,
                # and cut off what larger ones come to.  The answers would be others there.
                reduce_range=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                # Scores in 256 steps would move probabilities by percents.
                extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
            )
    finally:
        logging.getLogger().setLevel(logging.INFO)


def _require_room(model: Path) -> None:
    """ToolError without room: what the tools could not write whole, they would read all the same,
    and then speak of a damaged model."""
    needed, free = _COPIES * model.stat().st_size, shutil.disk_usage(model.parent).free
    if needed > free:
        raise ToolError(
            f"No space left on device: making int8 takes {file_size(needed)}, and "
            f"{file_size(free)} are free. Delete jobs or snapshots, then resume the export."
        )


def _is_kept(name: str) -> bool:
    return name.startswith(_KEPT)


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """In the block, temporary files are made in this folder, which is removed as a whole."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
