"""`net.layers[i]`: a layer of a built net as a script sees it.

For a Python layer that is the object of the author's class, for all others a `BuiltLayer`.
Source: the classes Layer and LayerVec of pycaffe 1.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from digits.caffe.blob import Blob
from digits.caffe.layers.python import Python
from digits.caffe.layers.python_layer import BlobVec, Layer
from digits.caffe.nets.nodes import Node


class BuiltLayer(Layer):
    """One of Caffe's own layers: its `type`, its parameters (`blobs`), and what builds it."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.param)
        self.type = node.type
        self.phase = node.param.phase
        self.blobs = params_of(node)
        self._layer = node.layer

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the layer's fields anew, for bottoms of these shapes."""
        self._layer.setup([blob.shape for blob in bottom])

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Give these tops the shapes that follow from these bottoms; LayerError if none do."""
        shapes = self._layer.reshape([blob.shape for blob in bottom])
        for blob, shape in zip(top, shapes, strict=True):
            if shape is not None:
                blob.reshape(*shape)


def as_scripts_see(node: Node) -> Layer:
    """The layer of this node."""
    if isinstance(node.layer, Python):
        node.layer.show_params(params_of(node))
        code: Layer = node.layer.code
        return code
    return BuiltLayer(node)


def params_of(node: Node) -> BlobVec:
    """The parameters of this node."""
    return BlobVec(use.blob for use in node.params)
