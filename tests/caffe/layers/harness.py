"""One layer at a time, without a net: build it from prototxt text, run it, take its gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from google.protobuf import text_format
from torch import Tensor

from digits.caffe.layers.base import Layer, LayerContext, Phase
from digits.caffe.layers.registry import create_layer
from digits.caffe.proto import caffe_pb2


def build_layer(
    text: str,
    *shapes: Sequence[int],
    tops: int = 1,
    phase: Phase = Phase.TEST,
    dtype: torch.dtype = torch.float32,
    **context: object,
) -> Layer:
    """The layer that `text` (type and fields) describes, for bottoms b0, b1, ... of these shapes.

    Parameters are drawn from a normal distribution, seeded; the layer is set up and reshaped.
    """
    param = text_format.Parse(text, caffe_pb2.LayerParameter(name="l"))
    param.bottom.extend(f"b{index}" for index in range(len(shapes)))
    param.top.extend(f"t{index}" for index in range(tops))
    layer = create_layer(param, LayerContext(phase=phase, dtype=dtype, **context))  # type: ignore[arg-type]
    bottoms = [tuple(shape) for shape in shapes]
    layer.setup(bottoms)
    generator = torch.Generator().manual_seed(7)
    layer.params = [
        torch.randn(slot.shape, generator=generator, dtype=torch.float64).to(dtype)
        for slot in layer.param_slots(bottoms)
    ]
    layer.reshape(bottoms)
    return layer


def run(layer: Layer, *bottoms: Tensor) -> list[Tensor]:
    """The layer's tops for these bottoms, checked to have the shapes that `reshape` announces."""
    shapes = list(layer.reshape([tuple(bottom.shape) for bottom in bottoms]))
    tops = [top for top in layer.forward(list(bottoms)) if top is not None]
    if type(layer).type != "Filter":  # its tops' shapes depend on the values
        assert [tuple(top.shape) for top in tops] == shapes
    return tops


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal random values, the same ones every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def whole(low: int, high: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random whole numbers from `low` to `high`, the same ones every time."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(low, high + 1, shape, generator=generator).to(dtype)
