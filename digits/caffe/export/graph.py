"""An ONNX graph while it is written: nodes, constants, names.

Names: a value is called after its layer and operator until it becomes a top, which has its blob's
name.  Shapes: those of Caffe's blobs, with None for an axis whose length follows the batch size.

Opset 18 is the oldest in which pictures can be resized with anti-aliasing; onnxruntime has it since
1.14 (February 2023), onnxruntime-web too.  Later ones add nothing that is needed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper

OPSET = 18
IR_VERSION = 8  # what came with that opset

Dims = tuple[int | None, ...]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Value:
    """A value of the graph: its name and shape."""

    name: str
    dims: Dims


@dataclass(frozen=True)
class Place:
    """Where a layer stands: the values of its bottoms, and the shapes of its tops."""

    bottoms: Sequence[Value]
    tops: Sequence[Dims]

    @property
    def bottom(self) -> str:
        """The name of the first bottom's value."""
        return self.bottoms[0].name

    @property
    def dims(self) -> Dims:
        """The first bottom's shape."""
        return self.bottoms[0].dims


class Graph:
    """Nodes and constants, in the order in which they are written."""

    def __init__(self, outer: Graph | None = None) -> None:
        """`outer`: the graph whose node this one is the body of; constants and names are its."""
        self.nodes: list[onnx.NodeProto] = []
        self.scope = ""  # what new names begin with: the layer's name
        self._outer = outer
        self._taken: set[str] = set()
        self._constants: dict[str, onnx.TensorProto] = {}
        self._weights: dict[tuple[int, tuple[int, ...]], str] = {}
        self._kept: list[torch.Tensor] = []  # so that their addresses stay theirs

    @property
    def constants(self) -> list[onnx.TensorProto]:
        """All constants, those of bodies among them."""
        return list(self._constants.values())

    def take_constants(self) -> Iterator[onnx.TensorProto]:
        """All constants, which are let go of one by one: networks have gigabytes of them."""
        for name in list(self._constants):
            yield self._constants.pop(name)

    def body(self) -> Graph:
        """A graph for a node's body, which sees the values of this one."""
        inner = Graph(outer=self)
        inner.scope = self.scope
        return inner

    def claim(self, wanted: str) -> str:
        """`wanted`, or with a number behind it where that name is taken."""
        if self._outer is not None:
            return self._outer.claim(wanted)
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output; the name of that."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node; the names of its outputs."""
        names = [self.claim(self._name(kind)) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, names[0], **attributes))
        return names

    def constant(self, values: Array | Sequence[int], label: str = "constant") -> str:
        """A constant of these values and of their type; whole numbers of Python are int64."""
        if self._outer is not None:
            return self._outer.constant(values, label)
        array = values if isinstance(values, np.ndarray) else np.array(values, np.int64)
        name = self.claim(self._name(label))
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def number(self, value: float) -> str:
        """A float32 without axes."""
        return self.constant(np.array(value, np.float32))

    def whole(self, value: int) -> str:
        """An int64 without axes."""
        return self.constant(np.array(value, np.int64))

    def weights(self, tensor: torch.Tensor, shape: Sequence[int] | None = None) -> str:
        """A parameter, in another shape if one is given; what layers share is there once."""
        if self._outer is not None:
            return self._outer.weights(tensor, shape)
        wanted = tuple(tensor.shape if shape is None else shape)
        key = (tensor.data_ptr(), wanted)
        if key not in self._weights:
            self._kept.append(tensor)
            array = tensor.detach().cpu().numpy().astype(np.float32, copy=False)
            self._weights[key] = self.constant(array.reshape(wanted), "weights")
        return self._weights[key]

    def reshape(self, value: str, dims: Sequence[int | None]) -> str:
        """The value in another shape; at most one axis may follow the batch size."""
        if list(dims).count(None) > 1:
            raise ValueError(f"only one axis of {dims} may follow the batch size")
        return self.op(
            "Reshape", value, self.constant([-1 if size is None else size for size in dims])
        )

    def cast(self, value: str, dtype: int) -> str:
        """The value as another type, one of `onnx.TensorProto`'s."""
        return self.op("Cast", value, to=dtype)

    def name_top(self, value: str, blob: str, since: int) -> str:
        """Call a value by its blob's name, if one of the nodes from number `since` on makes it.

        What is only handed on keeps its name.  The name that it has now.
        """
        made = [node for node in self.nodes[since:] if value in node.output]
        if not made:
            return value
        name = self.claim(blob)
        for node in self.nodes[since:]:
            _replace(node.input, value, name)
            _replace(node.output, value, name)
        return name

    def _name(self, label: str) -> str:
        return f"{self.scope}/{label}" if self.scope else label


def _replace(names: Any, old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new
