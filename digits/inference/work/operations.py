"""The table of a worker's operations: for each request the function that answers it.

Imported by worker processes alone.  What an operation needs is loaded when it is first asked for:
PyTorch takes seconds, and a worker that only parses nets starts at once and stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from digits.caffe.errors import CaffeError
from digits.inference.errors import BadRequest
from digits.inference.operations import (
    AugmentRecords,
    CheckNets,
    ClassifyOne,
    ClassifyPictures,
    ClassifyRecords,
    DescribeLayers,
    DrawActivations,
    DrawCurves,
    DrawMatrix,
    DrawNet,
    DrawWeights,
    ExamineFolder,
    ExplainClass,
    Explore,
    ExportNetwork,
    FindRecord,
    Load,
    ParseNet,
    Request,
    SampleClasses,
    ShowPicture,
    ShowRecord,
    SpreadRecords,
    Start,
)
from digits.inference.operations.messages import to_message
from digits.inference.operations.request import read_request
from digits.inference.protocol import Message
from digits.inference.work.limits import memory_errors
from digits.inference.work.state import State

# MODULE.FUNCTION of this folder; each takes the worker's state and the request.
OPERATIONS: Mapping[type[Request[Any]], str] = {
    Start: "starting.start",
    ParseNet: "parsing.parse_net",
    CheckNets: "checking.check_nets",
    DrawNet: "drawing.draw_net",
    DrawCurves: "figures.draw_curves",
    DrawMatrix: "figures.draw_matrix",
    Explore: "exploring.explore",
    SampleClasses: "exploring.sample_classes",
    SpreadRecords: "exploring.spread_records",
    FindRecord: "exploring.find_record",
    ShowRecord: "exploring.show_record",
    AugmentRecords: "augmenting.augment_records",
    ExamineFolder: "examining.examine_folder",
    ShowPicture: "thumbnails.show_picture",
    Load: "trained.load",
    ClassifyOne: "trained.classify_one",
    ClassifyPictures: "trained.classify_pictures",
    ClassifyRecords: "trained.classify_records",
    DescribeLayers: "trained.describe_layers",
    DrawActivations: "trained.draw_activations",
    DrawWeights: "trained.draw_weights",
    ExplainClass: "trained.explain_class",
    ExportNetwork: "exporting.export_network",
}
_BY_NAME = {request.__name__: request for request in OPERATIONS}


class Service:
    """Answers requests, one at a time."""

    def __init__(self, memory_mb: int, *, python_layers: bool = False) -> None:
        self._memory_mb = memory_mb
        self._state = State(python_layers=python_layers)

    def answer(self, message: Message) -> Message:
        """Do what is asked.  Raises InferenceErrors, ImageError, MemoryExhausted, ProtocolError."""
        with memory_errors(self._memory_mb):
            request = read_request(message, _BY_NAME)
            try:
                return to_message(operation(type(request))(self._state, request))
            except CaffeError as error:
                raise BadRequest(str(error)) from error


def operation(request: type[Request[Any]]) -> Callable[[State, Any], Any]:
    """The function that answers such requests."""
    module, _, name = OPERATIONS[request].rpartition(".")
    function: Callable[[State, Any], Any] = getattr(
        import_module(f"digits.inference.work.{module}"), name
    )
    return function
