"""The DummyData layer: tops of given shapes, filled by fillers.

Tops of constant fillers are filled once, the others before every pass.
Source: dummy_data_layer.cpp.  Elsewhere: the fillers (`fillers.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from digits.caffe.layers import fillers
from digits.caffe.layers.base import Layer, Shape, register
from digits.caffe.proto import caffe_pb2


@register("DummyData")
class DummyDataLayer(Layer):
    """Makes up data."""

    exact_bottoms = 0
    min_tops = 1
    keeps_tops = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        """Bring fillers and shapes to one a top."""
        param = self.param.dummy_data_param
        tops = len(self.param.top)
        given = list(param.data_filler)
        if len(given) not in (0, 1, tops):
            raise self.error(
                f"the number of data fillers must be 0, 1 or equal to the number of tops: {tops}; "
                f"received {len(given)}"
            )
        constant = caffe_pb2.FillerParameter(type="constant")
        self._fillers = given if len(given) == tops else (given or [constant]) * tops
        self._shapes = self._top_shapes(tops)
        self._values: list[torch.Tensor | None] = [None] * tops

    def reshape(self, bottoms: Sequence[Shape]) -> Sequence[Shape | None]:
        """The shapes of the prototxt."""
        return self._shapes

    def forward(self, bottoms: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
        """Constant tops as they are; new values for the others."""
        return [self._top(index) for index in range(len(self._shapes))]

    def _top(self, index: int) -> torch.Tensor | None:
        filler = self._fillers[index]
        if filler.type == "constant" and self._values[index] is not None:
            return None
        top = torch.empty(self._shapes[index], device=self.context.device, dtype=self.context.dtype)
        fillers.fill(top, filler, self.context.random)
        self._values[index] = top
        return top

    def _top_shapes(self, tops: int) -> list[Shape]:
        param = self.param.dummy_data_param
        old = [param.num, param.channels, param.height, param.width]
        if any(len(sizes) for sizes in old):
            if param.shape:
                raise self.error("give either shape, or num, channels, height and width, not both")
            if any(len(sizes) not in (1, tops) for sizes in old):
                raise self.error(
                    f"num, channels, height and width must be specified once, or once for each of "
                    f"the {tops} tops; received {[len(sizes) for sizes in old]}"
                )
            columns = [list(sizes) * tops if len(sizes) == 1 else list(sizes) for sizes in old]
            return [tuple(column[top] for column in columns) for top in range(tops)]
        if len(param.shape) not in (1, tops):
            raise self.error(
                f"shape must be specified once, or once for each of the {tops} tops; received "
                f"{len(param.shape)}"
            )
        shapes = [tuple(shape.dim) for shape in param.shape]
        return shapes * tops if len(shapes) == 1 else shapes
