"""The inputs and outputs of a model in words: "uint8 (height, width, 3)"."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

_TYPES: dict[int, str] = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.UINT8: "uint8"}


def ports_in_words(ports: Iterable[onnx.ValueInfoProto]) -> dict[str, str]:
    """The type and shape of each, by name."""
    return {port.name: _words(port) for port in ports}


def _words(port: onnx.ValueInfoProto) -> str:
    kind = port.type.tensor_type
    sizes = [each.dim_param or str(each.dim_value) for each in kind.shape.dim]
    return f"{_TYPES[kind.elem_type]} ({', '.join(sizes)})"
