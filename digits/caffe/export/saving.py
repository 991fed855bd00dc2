"""A finished graph as a model and as a file: declared, checked, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from digits.caffe.errors import NetError, WeightsError
from digits.caffe.export.graph import IR_VERSION, OPSET, Graph
from digits.caffe.formats.files import written_whole

BATCH = "batch"
PRODUCER = "DIGITS"
_LARGEST = 2**31 - 1  # bytes of a message, as protobuf has it
Dimension = int | str


@dataclass(frozen=True)
class Port:
    """An input or output of a model: its name, the length of each axis (or the name of a free one),
    and its type."""

    name: str
    shape: Sequence[Dimension]
    dtype: int = TensorProto.FLOAT


def assemble(
    graph: Graph,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    name: str,
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    """The model, checked by ONNX's own checker; it takes the constants out of the graph.

    Raises NetError where the file would be larger than the 2 GB that ONNX files can have.
    """
    size = sum(constant.ByteSize() for constant in graph.constants)
    if size > _LARGEST:
        raise NetError(
            f"The weights take {size >> 20} MB; an ONNX file holds 2047 MB at most. Export a "
            "smaller network."
        )
    made = helper.make_graph(
        graph.nodes,
        name or "net",
        [_declared(port) for port in inputs],
        [_declared(port) for port in outputs],
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
    )
    # `make_graph` and `make_model` would each make a copy of all weights.
    for constant in graph.take_constants():
        model.graph.initializer.append(constant)
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def save(model: onnx.ModelProto, path: str | os.PathLike[str]) -> int:
    """Write the file, whole or not at all; its size in bytes.  Raises WeightsError."""
    content = model.SerializeToString()
    try:
        with written_whole(os.fspath(path)) as part, open(part, "wb") as file:
            file.write(content)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror}") from error
    return len(content)


def _declared(port: Port) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(port.name, port.dtype, list(port.shape))
