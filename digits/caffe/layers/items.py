"""Layers that pick items of a batch, or bring a blob of their own: BatchReindex, Filter, Parameter.

Sources: batch_reindex_layer.cpp, filter_layer.cpp, parameter_layer.hpp.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from digits.caffe.layers.base import Layer, ParamSlot, Shape, register
from digits.caffe.layers.labels import whole_numbers
from digits.caffe.layers.shapes import bottom_error, bottom_name
from digits.caffe.proto import caffe_pb2


@register("BatchReindex")
class BatchReindex(Layer):
    """The items of the first bottom, in the order (and as often as) the second one's indices say.

    Shapes: (N, ...), (M) -> (M, ...).  Raises LayerError for an index outside the batch.
    """

    exact_bottoms = 2
    exact_tops = 1

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        items, index = bottoms
        if not items:
            raise bottom_error(self, 0, items, "at least 1 axis, the items")
        if len(index) != 1:
            raise bottom_error(self, 1, index, "1 axis of indices")
        return [(index[0], *items[1:])]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        items, index = bottoms
        reason = f"bottom {bottom_name(self, 0)} has {len(items)} items"
        return [items.index_select(0, whole_numbers(self, 1, index, len(items), reason))]

    def accepts_gradient(self, index: int) -> bool:
        return index == 0


@register("Filter")
class Filter(Layer):
    """The items of each bottom whose selector, in the last bottom, is not 0.

    Shapes: (N, ...) -> (selected, ...), known when the selector's values are; until the first
    forward the tops have all N items.
    """

    min_bottoms = 2
    min_tops = 1

    def setup(self, bottoms: Sequence[Shape]) -> None:
        if len(self.param.top) != len(bottoms) - 1:
            raise self.error(
                f"has {len(bottoms)} bottoms and {len(self.param.top)} tops; expected a top for "
                f"each bottom but the last, the selector"
            )

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        *blobs, selector = bottoms
        if any(size != 1 for size in selector[1:]) or not selector:
            raise bottom_error(self, len(blobs), selector, "one value for each item")
        for index, shape in enumerate(blobs):
            if shape[:1] != selector[:1]:
                expected = f"{selector[0]} items, as many as the selector has values"
                raise bottom_error(self, index, shape, expected)
        return list(blobs)

    backward_reads_blobs = False

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        *blobs, selector = bottoms
        chosen = selector.detach().reshape(-1).nonzero().squeeze(1)
        return [blob.index_select(0, chosen) for blob in blobs]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        # Before the first forward: nothing was selected yet.
        return [blob * 0 for blob in bottoms[:-1]]

    def accepts_gradient(self, index: int) -> bool:
        return index != len(self.param.bottom) - 1


@register("Parameter")
class Parameter(Layer):
    """A learnable blob as a top.  Parameter: that blob, 0 at first."""

    exact_bottoms = 0
    exact_tops = 1

    def setup(self, bottoms: Sequence[Shape]) -> None:
        self.shape = tuple(self.param.parameter_param.shape.dim)
        if any(size < 0 for size in self.shape):
            raise self.error(f"shape has the size {min(self.shape)}; expected 0 or more")

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        return [ParamSlot(self.shape, caffe_pb2.FillerParameter())]

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [self.shape]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return [self.params[0]]
