"""A trained network as an ONNX file, for whoever waits for it."""

from __future__ import annotations

from digits.inference.exporting.making import made_model
from digits.inference.operations import Exported, ExportNetwork
from digits.inference.work.state import State


def export_network(state: State, request: ExportNetwork) -> Exported:
    """The file's content."""
    model = made_model(request.network, request.metadata, takes_pictures=request.takes_pictures)
    return Exported(model.SerializeToString())
