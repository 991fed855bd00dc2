"""A net's layers and parameters as its builder leaves them, for the passes to run over.

`Node` is a layer with the numbers of its bottoms, tops and parameters and with what needs a
gradient; `NetParam` is one parameter of one layer.  Blobs and parameters are known by their number
in the net's lists, as in Caffe.
Elsewhere: who makes them (`building.py`), who runs them (`passes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch.autograd.graph import GradientEdge

from digits.caffe.blob import ParamBlob
from digits.caffe.layers.base import Layer
from digits.caffe.nets.net_blob import NetBlob
from digits.caffe.nets.replay import Sight
from digits.caffe.proto import caffe_pb2

Shape = tuple[int, ...]


@dataclass(eq=False)
class NetParam:
    """A parameter of a layer: its own, or one that an earlier layer owns.

    `owner` is the number of the owning parameter in the net's list, or -1; `learnable` the number
    among the learnable ones.  `needs_gradient` holds for this use of it.
    """

    blob: ParamBlob
    display_name: str
    layer_index: int
    index: int
    owner: int
    learnable: int
    needs_gradient: bool
    shape: Shape


@dataclass(eq=False)
class LayerGraph:
    """The autograd graph of one layer: where its tops come out, and its bottoms' gradients.

    It holds no tops: those that the gradient does not need are free.  `sight` is the state of the
    blobs around the layer that the graph fits.
    """

    tops: list[GradientEdge | None]
    gradients: list[torch.Tensor | None]
    sight: Sight | None = None


@dataclass(eq=False)
class Node:
    """A layer in its place."""

    layer: Layer
    param: caffe_pb2.LayerParameter
    bottoms: list[int] = field(default_factory=list)
    tops: list[int] = field(default_factory=list)
    params: list[NetParam] = field(default_factory=list)
    # For each bottom, whether the backward pass computes its gradient.
    bottom_needs: list[bool] = field(default_factory=list)
    needs_backward: bool = False
    loss_weights: list[float] = field(default_factory=list)
    # Blobs that nobody needs once this layer has run.
    last_uses: list[int] = field(default_factory=list)
    # Whether the next layer runs this one along with itself (`joining.py`).
    joined: bool = False
    # For a layer that runs the one before it: bottoms, bottom_needs and last_uses of its own.
    apart: tuple[list[int], list[bool], list[int]] | None = None
    bottom_shapes: list[torch.Size] = field(default_factory=list)
    # Of the last forward pass with kept blobs (`kept_passes.py`).
    graph: LayerGraph | None = None

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def type(self) -> str:
        """The layer's type as the prototxt has it."""
        return self.param.type


@dataclass(eq=False)
class Parts:
    """Everything that a net consists of."""

    param: caffe_pb2.NetParameter
    nodes: list[Node] = field(default_factory=list)
    blobs: list[NetBlob] = field(default_factory=list)
    blob_names: list[str] = field(default_factory=list)
    blob_needs: list[bool] = field(default_factory=list)
    blob_loss_weights: list[float] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    params: list[NetParam] = field(default_factory=list)
    learnable: list[ParamBlob] = field(default_factory=list)
    lr_mults: list[float] = field(default_factory=list)
    decay_mults: list[float] = field(default_factory=list)
