"""Find the function that writes a layer type into an ONNX graph, and say why some types have none.

A function is registered for the types that it writes; the modules of this package that do so are
loaded when first asked.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from digits.caffe.errors import LayerError
from digits.caffe.export.graph import Graph, Place
from digits.caffe.proto import caffe_pb2

# (graph, layer, where it stands) -> the names of its tops' values.
Write = Callable[[Graph, Any, Place], list[str]]
WriteType = TypeVar("WriteType", bound=Write)

_FAMILIES = (
    "arithmetic", "dense", "items", "neuron", "normalising", "pooling", "recurrent", "shape_ops",
    "windows",
)  # fmt: skip
_DATA = "it reads {}, which a model elsewhere has not. Put an Input layer in its place"
_REASONS = {
    "Data": _DATA.format("a database"),
    "HDF5Data": _DATA.format("HDF5 files"),
    "ImageData": _DATA.format("a list of pictures"),
    "MemoryData": _DATA.format("arrays of the program"),
    "WindowData": _DATA.format("a list of windows"),
    "HDF5Output": "it writes a file, which no ONNX model does. Remove it",
    "Python": "it runs code of its author, which an ONNX file cannot hold. "
    "Put layers of Caffe's own in its place",
}
# What only says how good a net is: left out, as in deploy.prototxt.
MEASURES = frozenset(
    {
        "Accuracy", "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss",
        "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "SoftmaxWithLoss",
    }
)  # fmt: skip

_writers: dict[str, Write] = {}


def writes(*types: str) -> Callable[[WriteType], WriteType]:
    """Decorator: the function writes these layer types."""

    def add(function: WriteType) -> WriteType:
        _writers.update(dict.fromkeys(types, function))
        return function

    return add


@cache
def _load_families() -> None:
    for name in _FAMILIES:
        importlib.import_module(f"digits.caffe.export.{name}")


def written_types() -> list[str]:
    """The layer types that have a meaning in ONNX, besides Input, sorted."""
    _load_families()
    return sorted(_writers)


def writer(param: caffe_pb2.LayerParameter) -> Write:
    """The function for this layer; LayerError with the reason when its type has none."""
    _load_families()
    found = _writers.get(param.type)
    if found is None:
        reason = _REASONS.get(param.type, "there is no ONNX form of this type")
        raise LayerError(param.name, param.type, f"cannot become ONNX: {reason}.")
    return found
